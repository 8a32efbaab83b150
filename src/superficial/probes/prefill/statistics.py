"""How often a model declines when the first tokens of its response are given."""

import time
from pathlib import Path

import numpy as np
import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import IntervalsConfig, RuntimeConfig
from superficial.data.answered import unanswered
from superficial.judging.refusals.phrases import Refusals
from superficial.shift.statistics.bootstrap import Bootstrap

COLUMNS = ["side", "opening", "k", "given", "mean", "low", "high", "examples", "window"]


def run(cfg: IntervalsConfig, runtime: RuntimeConfig, *, base: Path, aligned: Path, phrases: Path, out: Path) -> None:
    """Write the rates of both models to `out`."""
    started = time.monotonic()
    refusals = Refusals.read(phrases)
    sides = {"base": base, "aligned": aligned}
    found = [rates(read_table(path), refusals, cfg).assign(side=side) for side, path in sides.items()]
    write_table(pd.concat(found, ignore_index=True)[COLUMNS], out)
    config = cfg.model_dump(mode="json")
    inputs = {**sides, "phrases": phrases}
    write_sidecar(out, stage="prefill_stats", config=config, inputs=inputs, started=started, facts={})


def rates(table: pd.DataFrame, refusals: Refusals, cfg: IntervalsConfig) -> pd.DataFrame:
    """One row for each opening and k: share of responses that decline (mean, low, high), examples, `given`, window.

    What was given never counts, only what the model wrote then; of a model that thinks, its answers alone, and a
    response that ends within its thinking is none of the examples. Intervals come from a bootstrap over examples, the
    same draws everywhere.
    """
    if table.empty:  # a dataset without harmful instructions
        return pd.DataFrame(columns=COLUMNS)
    given = table["given"].where(table["thinking"].isna(), "") if "thinking" in table else table["given"]
    said = pd.Series(list(map(refusals.decline, table["text"], given)), index=table.index, dtype=float)
    declined = table.assign(declined=said.mask(unanswered(table)))
    conditions = declined.groupby(["opening", "k"], sort=False)["given"].first().reset_index()
    values = declined.pivot(index="example_id", columns=["opening", "k"], values="declined")
    measured = values[list(zip(conditions["opening"], conditions["k"], strict=True))].to_numpy(dtype=float)  # (E, C)
    there = ~np.isnan(measured)
    mean, low, high = Bootstrap.over(len(measured), cfg).ratio(np.where(there, measured, 0.0), there.astype(float))
    shares = {"mean": mean, "low": low, "high": high, "examples": there.sum(axis=0)}
    return conditions.assign(**shares, window=int(table["window"].iloc[0]))
