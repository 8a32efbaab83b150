"""Curves over the response: by position, by bins of positions, and by tenths of each response (paper, figure 4)."""

from collections.abc import Callable, Iterator
from functools import partial
from operator import methodcaller
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.shift.category import CATEGORIES
from superficial.shift.statistics.bootstrap import Bootstrap, Floats
from superficial.shift.statistics.still_running import StillRunning
from superficial.shift.statistics.token_table import TokenTable

METRICS = ("kl_aligned_base", "kl_base_aligned", "js", "base_entropy", "aligned_entropy", "base_prob", "base_rank")
LAST = 2048  # positions beyond it are left out of curves by position: no curve needs them, and memory is bounded
WIDTHS = (1, 8)  # positions a point: each one, and bins that let few examples show a trend
TENTHS = 10

Values = Callable[[TokenTable], NDArray[Any]]  # of every row (N,)
Sums = tuple[Floats, Floats]  # (P,) and resampled (R, P)


def positions(table: TokenTable, bootstrap: Bootstrap) -> pd.DataFrame:
    """One row for each scale, metric and bin: position (first of the bin), mean, low, high, examples (with tokens).

    Scales: `1` and `8` are bins of so many positions (from 0); `tenth` cuts every response into ten parts of equal
    length. Means are over all tokens in the bin. `log10_base_rank` is there because a mean of ranks over a vocabulary
    of 262k says little but how deep the deepest one lay.
    """
    curves = _Curves(table, bootstrap)
    counts = curves.sums(_one)
    parts = []
    for metric, values in _metrics():
        for name, above in curves.sums(values).items():
            mean, low, high = bootstrap.ratio_of_sums(above, counts[name])
            columns = {"scale": name, "metric": metric, "position": curves.first[name], "mean": mean}
            parts.append(pd.DataFrame(columns | {"low": low, "high": high, "examples": curves.examples[name]}))
    return pd.concat(parts, ignore_index=True)


class _Curves:
    """Sums of a value along the response, on every scale."""

    def __init__(self, table: TokenTable, bootstrap: Bootstrap) -> None:
        self._table, self._bootstrap = table, bootstrap
        self._running = StillRunning(table, bootstrap, LAST)
        size = len(self._running.examples)
        self.first = {str(width): np.arange(0, size, width) for width in WIDTHS}
        # Whoever reaches a bin has a token at its first position.
        self.examples = {name: self._running.examples[first] for name, first in self.first.items()}
        self.first["tenth"] = np.arange(TENTHS)
        self.examples["tenth"] = (self._tenths(_one) > 0).sum(axis=0)

    def sums(self, values: Values) -> dict[str, Sums]:
        """Sums of the `values` by scale."""
        every, drawn = self._running.sums(values)
        found = {
            str(width): (np.add.reduceat(every, first), np.add.reduceat(drawn, first, axis=1))
            for width, first in ((width, self.first[str(width)]) for width in WIDTHS)
        }
        cells = self._tenths(values)
        return found | {"tenth": (cells.sum(axis=0), self._bootstrap.sums(cells))}

    def _tenths(self, values: Values) -> Floats:
        """Sums by example and tenth, (E, 10)."""
        return self._table.by_example(lambda part: part.sums(_tenth(part), TENTHS, values(part)))


def _tenth(table: TokenTable) -> NDArray[Any]:
    """Which tenth of its response each row is in, (N,)."""
    return TENTHS * table.position // np.repeat(table.lengths, table.lengths)


def _one(table: TokenTable) -> NDArray[np.int8]:
    return np.ones(table.size, np.int8)


def _metrics() -> Iterator[tuple[str, Values]]:
    """Each metric with its value at every row of a table."""
    for metric in METRICS:
        yield metric, methodcaller("column", metric)
    yield "log10_base_rank", lambda part: np.log10(part.column("base_rank"))
    for index, name in enumerate(CATEGORIES):
        yield name, partial(_is, index)


def _is(category: int, table: TokenTable) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = table.category == category
    return found
