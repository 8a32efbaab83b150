"""What the search for examples gained, on the half that it saw and on the one that it did not see."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import write_table
from superficial.config.schema import IntervalsConfig, RuntimeConfig
from superficial.probes.search.halves import HALVES
from superficial.shift.statistics.bootstrap import Bootstrap, Floats

DEFAULT, OTHERS = "default", ("none", "found")  # prompts: the method as it is, and those compared with it
COST = ("candidates", "fed_tokens", "forward_passes")  # measures of the whole search


def run(cfg: IntervalsConfig, runtime: RuntimeConfig, *, searched: Path, out: list[Path]) -> None:
    """Write the means of the prompts, and the candidates of every step, in this order."""
    started = time.monotonic()
    result = json.loads(searched.read_text(encoding="utf-8"))
    write_table(gains(result, cfg), out[0])
    write_table(trace(result), out[1])
    config = cfg.model_dump(mode="json")
    write_sidecar(
        out, stage="prompt_search_stats", config=config, inputs={"searched": searched}, started=started, facts={}
    )


def gains(result: Mapping[str, Any], cfg: IntervalsConfig) -> pd.DataFrame:
    """Rows (half, prompt, shown, measure, value, low, high, tokens, examples); `shown`: the ids of its examples.

    Measures, pooled over tokens: `kl`, mean KL(aligned||base) in nats; `gain`, that of the default less it, nats;
    `gain_share`, the same as a share of the default's. Intervals are paired: both prompts see the same resamples of the
    responses of a half. The last rows are what the search cost from scratch.
    """
    table = pd.DataFrame(result["responses"])
    shown = {prompt: ", ".join(ids) for prompt, ids in result["prompts"].items()}
    rows = []
    for half in HALVES:
        mine = table[table["half"] == half]
        bootstrap = Bootstrap.over(len(mine), cfg)
        tokens, own = (mine[name].to_numpy(dtype=float) for name in ("tokens", DEFAULT))
        about = {"half": half, "tokens": int(tokens.sum()), "examples": len(mine)}
        for prompt in ("none", DEFAULT, "found"):
            kl = mine[prompt].to_numpy(dtype=float)
            ratios = {"kl": (kl, tokens)}
            if prompt != DEFAULT:
                ratios |= {"gain": (own - kl, tokens), "gain_share": (own - kl, own)}
            for measure, (above, below) in ratios.items():
                found = _interval(bootstrap, above, below)
                rows.append({**about, "prompt": prompt, "shown": shown[prompt], "measure": measure} | found)
    for measure in COST:
        rows.append({"half": HALVES[0], "prompt": "candidates", "measure": measure, "value": result["cost"][measure]})
    names = ["half", "prompt", "shown", "measure", "value", "low", "high", "tokens", "examples"]
    return pd.DataFrame(rows)[names].astype({"tokens": "Int64", "examples": "Int64"})


def trace(result: Mapping[str, Any]) -> pd.DataFrame:
    """Rows (step, example, kl, chosen, fed_tokens, forward_passes): every candidate, in the order of the pool.

    Step 0 is the prompt without examples; `kl` is the mean over the tokens of the search half, nats.
    """
    seen = pd.DataFrame(result["responses"]).query("half == 'search'")
    start = {"step": 0, "example": "", "kl": seen["none"].sum() / seen["tokens"].sum(), "chosen": True}
    rows = [{"step": at, **one} for at, step in enumerate(result["steps"], 1) for one in step["candidates"]]
    table = pd.DataFrame([start, *rows])
    return table.astype({"fed_tokens": "Int64", "forward_passes": "Int64"})


def _interval(bootstrap: Bootstrap, above: Floats, below: Floats) -> dict[str, float]:
    return dict(zip(("value", "low", "high"), map(float, bootstrap.ratio(above, below)), strict=True))
