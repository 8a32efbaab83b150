"""Curves over the response: by position, by bins of positions, and by tenths of each response (paper, figure 4)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.category import CATEGORIES
from superficial.stats.bootstrap import Bootstrap
from superficial.stats.token_table import TokenTable

METRICS = ("kl_aligned_base", "kl_base_aligned", "js", "base_entropy", "aligned_entropy", "base_prob", "base_rank")
LAST = 2048  # positions beyond it are left out of curves by position: no curve needs them, and memory is bounded
WIDTHS = (1, 8)  # positions a point: each one, and bins that let few examples show a trend
TENTHS = 10


def positions(table: TokenTable, bootstrap: Bootstrap) -> pd.DataFrame:
    """One row a scale, metric and bin: position (first of the bin), mean, low, high, examples (with tokens there).

    Scales: `1` and `8` are bins of so many positions (from 0); `tenth` cuts every response into ten parts of equal
    length. Means are over all tokens in the bin. `log10_base_rank` is there because a mean of ranks over a vocabulary
    of 262k says little but how deep the deepest one lay.
    """
    shown = table.position < LAST
    end = int(min(table.position.max() + 1, LAST))
    scales = {str(width): (table.position // width, -(-end // width), width, shown) for width in WIDTHS}
    tenths = (TENTHS * table.position.astype(np.int64)) // table.lengths[table.example]
    scales["tenth"] = (tenths, TENTHS, 1, np.ones_like(shown))
    parts = []
    counts = {
        name: table.sums(np.where(inside, bins, 0), size, inside.astype(np.float64))
        for name, (bins, size, _, inside) in scales.items()
    }
    for metric, value in _values(table):
        for name, (bins, size, width, inside) in scales.items():
            sums = table.sums(np.where(inside, bins, 0), size, np.where(inside, value, 0.0))
            mean, low, high = bootstrap.ratio(sums, counts[name])
            columns = {"scale": name, "metric": metric, "position": np.arange(size) * width, "mean": mean}
            columns |= {"low": low, "high": high, "examples": (counts[name] > 0).sum(axis=0)}
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _values(table: TokenTable) -> Iterator[tuple[str, NDArray[Any]]]:
    """Each metric with its value at every row, read when its turn comes."""
    for metric in METRICS:
        yield metric, table.column(metric)
    yield "log10_base_rank", np.log10(table.column("base_rank"))
    for index, name in enumerate(CATEGORIES):
        yield name, (table.category == index).astype(np.float64)
