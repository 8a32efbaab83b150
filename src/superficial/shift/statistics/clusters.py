"""Where shifts cluster: does a shifted token make a shift nearby more likely?"""

import numpy as np
import pandas as pd

from superficial.shift.category import CATEGORIES
from superficial.shift.statistics.bootstrap import Bootstrap, Floats
from superficial.shift.statistics.token_table import TokenTable

LAGS = range(1, 11)


def clusters(table: TokenTable, bootstrap: Bootstrap) -> pd.DataFrame:
    """One row for each lag (tokens): rate of shifts that far behind a shifted token, low, high, `expected`, `lift`.

    `expected` is the rate of shifts at all positions that have a token `lag` before them; lift = rate / expected.
    """
    pairs = np.maximum(table.lengths[:, None] - np.array(LAGS), 0).sum(axis=0)
    sums = table.by_example(_sums)
    rate, low, high = bootstrap.ratio(sums[:, 0], sums[:, 1])
    with np.errstate(invalid="ignore"):
        expected = sums[:, 2].sum(axis=0) / pairs
    found = pd.DataFrame({"lag": LAGS, "rate": rate, "low": low, "high": high, "expected": expected})
    return found.assign(lift=found["rate"] / found["expected"])


def _sums(table: TokenTable) -> Floats:
    """Counts by example and lag, (E, 3, L): shifts so far behind a shift, shifts that have a token behind, shifts."""
    shifted = table.category == CATEGORIES.index("shifted")
    before = np.concatenate([[0], np.cumsum(shifted)])  # (N + 1,): shifted tokens in the rows before each one
    starts, ends = table.starts, table.starts + table.lengths
    found = np.empty((table.examples, 3, len(LAGS)))
    for at, lag in enumerate(LAGS):
        # Row i is paired with the row `lag` before it, where both belong to one response.
        both = shifted.copy()
        both[:lag] = False
        both[lag:] &= shifted[:-lag]
        both &= table.position >= lag
        found[:, 0, at] = table.totals(both)[:, 0]
        found[:, 1, at] = before[np.maximum(ends - lag, starts)] - before[starts]
        found[:, 2, at] = before[ends] - before[np.minimum(starts + lag, ends)]
    return found
