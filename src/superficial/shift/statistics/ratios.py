"""Shares of unshifted, marginal and shifted positions (paper, figure 3)."""

import numpy as np
import pandas as pd

from superficial.shift.category import CATEGORIES
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.token_table import TokenTable


def ratios(table: TokenTable, bootstrap: Bootstrap) -> pd.DataFrame:
    """One row for each level and category: share, low, high, tokens (of that category), examples.

    Level `pooled` counts all positions alike (the paper's number); `per_example` averages the examples' own shares.
    """
    found = table.category_counts
    totals = found.sum(axis=1, keepdims=True)
    parts = []
    for level, numerators, denominators in (
        ("pooled", found, totals),
        ("per_example", found / totals, np.ones_like(totals)),
    ):
        share, low, high = bootstrap.ratio(numerators, denominators)
        columns = {"level": level, "category": CATEGORIES, "share": share, "low": low, "high": high}
        parts.append(pd.DataFrame(columns).assign(tokens=found.sum(axis=0).astype(int), examples=len(found)))
    return pd.concat(parts, ignore_index=True)
