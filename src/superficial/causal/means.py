"""Means over examples of what the causal stage measured."""

import time
from pathlib import Path

import numpy as np
import pandas as pd

from superficial.artifact import write_sidecar
from superficial.schema import IntervalsConfig, RuntimeConfig
from superficial.stats.bootstrap import Bootstrap
from superficial.table import read_table, write_table

MEASURES = (
    "swapped", "changed", "tokens", "agreeing", "agreeing_share", "rouge_l", "identical",
    "base_agreeing", "base_agreeing_share", "base_rouge_l",
)  # fmt: skip


def run(cfg: IntervalsConfig, runtime: RuntimeConfig, *, causal: Path, out: Path) -> None:
    """Write the means by variant and measure to `out`."""
    started = time.monotonic()
    write_table(means(read_table(causal), cfg), out)
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="causal_stats", config=config, inputs={"causal": causal}, started=started, facts={})


def means(table: pd.DataFrame, cfg: IntervalsConfig) -> pd.DataFrame:
    """One row a variant and measure: mean, low, high, examples, window (tokens).

    Units are those of the causal stage; intervals come from a bootstrap over examples, the same draws for every
    variant.
    """
    variants = list(dict.fromkeys(table["variant"]))
    bootstrap = Bootstrap.over(table["example_id"].nunique(), cfg)
    parts = []
    for measure in MEASURES:
        values = table.pivot(index="example_id", columns="variant", values=measure)[variants].to_numpy(dtype=float)
        mean, low, high = bootstrap.ratio(values, np.ones_like(values))  # (E, variants)
        parts.append(pd.DataFrame({"variant": variants, "measure": measure, "mean": mean, "low": low, "high": high}))
    found = pd.concat(parts, ignore_index=True)
    return found.assign(examples=table["example_id"].nunique(), window=int(table["window"].iloc[0]))
