"""Curves over the response position (paper, figure 4)."""

import numpy as np
import pandas as pd

from superficial.category import CATEGORIES
from superficial.stats.bootstrap import Bootstrap

METRICS = ("kl_aligned_base", "kl_base_aligned", "js", "base_entropy", "aligned_entropy", "base_prob", "base_rank")
WIDTHS = (1, 8)  # positions a point: each one, and bins that let few examples show a trend


def positions(table: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """One row a width, metric and bin: position (first of the bin, from 0), mean, low, high, examples (still running).

    Means are over all tokens in the bin, of the examples that are still running there. `log10_base_rank` is there
    because a mean of ranks over a vocabulary of 262k says little but how deep the deepest one lay.
    """
    values = {metric: table[metric].to_numpy(dtype=np.float64) for metric in METRICS}
    values["log10_base_rank"] = np.log10(values["base_rank"])
    category = table["category"].to_numpy()
    values |= {name: (category == name).astype(np.float64) for name in CATEGORIES}
    row = pd.factorize(table["example_id"])[0]
    position = table["position"].to_numpy()
    parts = []
    for width in WIDTHS:
        bins = position // width
        counts = _sum_by(row, bins, np.ones(len(table)))
        examples = (counts > 0).sum(axis=0)
        for metric, value in values.items():
            mean, low, high = bootstrap.ratio(_sum_by(row, bins, value), counts)
            first = np.arange(len(mean)) * width
            columns = {"width": width, "metric": metric, "position": first, "mean": mean, "low": low, "high": high}
            parts.append(pd.DataFrame(columns).assign(examples=examples))
    return pd.concat(parts, ignore_index=True)


def _sum_by(row: np.ndarray, column: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Sums of `value` by example and bin, (E, bins)."""
    sums = np.zeros((row.max() + 1, column.max() + 1))
    np.add.at(sums, (row, column), value)
    return sums
