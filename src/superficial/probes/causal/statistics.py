"""Means over examples of what the causal stage measured, and of what a judge gave its texts."""

import time
from pathlib import Path

import numpy as np
import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import IntervalsConfig, RuntimeConfig
from superficial.probes.causal.quality import quality
from superficial.shift.statistics.bootstrap import Bootstrap

MEASURES = (
    "swapped", "share", "changed", "tokens", "agreeing", "agreeing_share", "rouge_l", "identical",
    "base_agreeing", "base_agreeing_share", "base_rouge_l",
)  # fmt: skip


def run(cfg: IntervalsConfig, runtime: RuntimeConfig, *, causal: Path, judgments: Path | list[Path], out: Path) -> None:
    """Write the means by variant and measure to `out`; without a file of judgments there are none of scores."""
    started = time.monotonic()
    table = read_table(causal)
    parts, inputs = [causal_means(table, cfg)], {"causal": causal}
    if isinstance(judgments, Path):
        parts.append(quality(table, read_table(judgments), cfg))
        inputs["judgments"] = judgments
    found = pd.concat(parts, ignore_index=True)
    write_table(found.assign(window=int(table["window"].iloc[0])), out)
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="causal_stats", config=config, inputs=inputs, started=started, facts={})


def causal_means(table: pd.DataFrame, cfg: IntervalsConfig) -> pd.DataFrame:
    """One row for each variant and measure: mean, low, high, examples, unscored (0: no judge was asked).

    Units are those of the causal stage, `share` is that of the tokens which are swapped; intervals come from a
    bootstrap over examples, the same draws for every variant.
    """
    variants, examples = list(dict.fromkeys(table["variant"])), table["example_id"].nunique()
    table = table.assign(share=table["swapped"] / table["tokens"])
    bootstrap = Bootstrap.over(examples, cfg)
    parts = []
    for measure in MEASURES:
        values = table.pivot(index="example_id", columns="variant", values=measure)[variants].to_numpy(dtype=float)
        mean, low, high = bootstrap.ratio(values, np.ones_like(values))  # (E, variants)
        parts.append(pd.DataFrame({"variant": variants, "measure": measure, "mean": mean, "low": low, "high": high}))
    return pd.concat(parts, ignore_index=True).assign(examples=examples, unscored=0)
