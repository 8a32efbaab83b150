"""Shares of unshifted, marginal and shifted positions (paper, figure 3)."""

import numpy as np
import pandas as pd

from superficial.shift.category import CATEGORIES
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.repetition import LOOP
from superficial.shift.statistics.token_table import TokenTable


def ratios(table: TokenTable, bootstrap: Bootstrap) -> pd.DataFrame:
    """One row for each level and category: share, low, high, tokens (of that category), examples.

    Level `pooled` counts all positions alike (the paper's number); `per_example` averages the examples' own shares.
    `without_loops` counts all positions of the responses that do not loop: what a model says again and again is easy
    to predict, so that loops look unshifted.
    """
    found = table.category_counts
    totals = found.sum(axis=1, keepdims=True)
    plain = (table.repeated <= LOOP)[:, None]
    levels = {
        "pooled": (found, totals, found),
        "per_example": (found / totals, np.ones_like(totals), found),
        "without_loops": (found * plain, totals * plain, found[plain[:, 0]]),
    }
    parts = []
    for level, (numerators, denominators, counted) in levels.items():
        share, low, high = bootstrap.ratio(numerators, denominators)
        columns = {"level": level, "category": CATEGORIES, "share": share, "low": low, "high": high}
        parts.append(pd.DataFrame(columns).assign(tokens=counted.sum(axis=0).astype(int), examples=len(counted)))
    return pd.concat(parts, ignore_index=True)
