"""Means over examples of what the handoff stage measured."""

import time
from pathlib import Path

import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import IntervalsConfig, RuntimeConfig
from superficial.shift.statistics.bootstrap import Bootstrap

MEASURES = ("agreeing", "agreeing_share", "rouge_l", "unshifted_rest")
COLUMNS = ["k", "measure", "mean", "low", "high", "examples", "window"]


def run(cfg: IntervalsConfig, runtime: RuntimeConfig, *, handoff: Path, out: Path) -> None:
    """Write the means by k and measure to `out`."""
    started = time.monotonic()
    write_table(handoff_means(read_table(handoff), cfg), out)
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="handoff_stats", config=config, inputs={"handoff": handoff}, started=started, facts={})


def handoff_means(table: pd.DataFrame, cfg: IntervalsConfig) -> pd.DataFrame:
    """One row for each k and measure: mean, low, high, examples (whose response is longer than k), window (tokens).

    Units are those of the handoff stage; intervals come from a bootstrap over examples, the same draws at every k.
    """
    if table.empty:  # a dataset without regular instructions
        return pd.DataFrame(columns=COLUMNS)
    bootstrap = Bootstrap.over(table["example_id"].nunique(), cfg)
    parts = []
    for measure in MEASURES:
        values = table.pivot(index="example_id", columns="k", values=measure)  # (E, K), blank where too short
        present = values.notna().to_numpy().astype(float)
        mean, low, high = bootstrap.ratio(values.fillna(0).to_numpy().astype(float), present)
        columns = {"k": values.columns, "measure": measure, "mean": mean, "low": low, "high": high}
        parts.append(pd.DataFrame(columns).assign(examples=present.sum(axis=0).astype(int)))
    found = pd.concat(parts, ignore_index=True).sort_values("k", kind="stable", ignore_index=True)
    return found.assign(window=int(table["window"].iloc[0]))[COLUMNS]
