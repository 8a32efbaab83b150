"""Means over instructions, and how far each method is from the zero-shot answers of its base model."""

import numpy as np
import pandas as pd

from superficial.config.schema import ResponseStatsStage
from superficial.judging.responses.failures import MEASURES, THINKING
from superficial.shift.statistics.bootstrap import Bootstrap, Floats


def response_table(answers: pd.DataFrame, cfg: ResponseStatsStage) -> pd.DataFrame:
    """One row for each system (as in `cfg.systems`) and measure: its mean, and how far that is from the baseline's.

    Columns: mean, ci_low, ci_high, n (answers for which it is known), baseline, and the mean paired difference from
    that with difference_low and difference_high, blank for systems that have no baseline or are one themselves. Every
    interval comes from the same draws of instructions. A difference is over instructions that both answered.
    """
    measures = [*MEASURES, *(name for name in THINKING if name in answers)]
    ids = answers["id"].unique()
    bootstrap = Bootstrap.over(len(ids), cfg)
    tables = {system: rows.set_index("id").reindex(ids) for system, rows in answers.groupby("system", sort=False)}
    parts = []
    for system in cfg.systems:
        values = tables[system.name][measures].to_numpy(dtype=np.float64)  # (E, M)
        mean, low, high = _mean(values, bootstrap)
        part = pd.DataFrame({"system": system.name, "measure": measures, "mean": mean, "ci_low": low, "ci_high": high})
        part["n"] = (~np.isnan(values)).sum(axis=0)
        base = tables.get(system.baseline)
        change = values - (np.nan if base is None else base[measures].to_numpy(dtype=np.float64))
        part["baseline"] = system.baseline
        part["difference"], part["difference_low"], part["difference_high"] = _mean(change, bootstrap)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _mean(values: Floats, bootstrap: Bootstrap) -> tuple[Floats, Floats, Floats]:
    """Mean over the rows that are known with its interval: (E, M) -> three times (M,)."""
    there = ~np.isnan(values)
    return bootstrap.ratio(np.where(there, values, 0.0), there.astype(np.float64))
