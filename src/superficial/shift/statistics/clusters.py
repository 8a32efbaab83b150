"""Where shifts cluster: does a shifted token make a shift nearby more likely?"""

import numpy as np
import pandas as pd

from superficial.shift.category import CATEGORIES
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.token_table import TokenTable

LAGS = range(1, 11)


def clusters(table: TokenTable, bootstrap: Bootstrap) -> pd.DataFrame:
    """One row for each lag (tokens): rate of shifts that far behind a shifted token, low, high, `expected`, `lift`.

    `expected` is the rate of shifts at all positions that have a token `lag` before them; lift = rate / expected.
    """
    shifted = table.category == CATEGORIES.index("shifted")
    before = np.concatenate([[0], np.cumsum(shifted)])  # (N + 1,): shifted tokens in the rows before each one
    ends = table.starts + table.lengths
    rows = []
    for lag in LAGS:
        # Row i is paired with the row `lag` before it, where both belong to one response.
        both = shifted.copy()
        both[:lag] = False
        both[lag:] &= shifted[:-lag]
        both &= table.position >= lag
        given = before[np.maximum(ends - lag, table.starts)] - before[table.starts]
        hits = before[ends] - before[np.minimum(table.starts + lag, ends)]
        pairs = np.maximum(table.lengths - lag, 0)
        rate, low, high = bootstrap.ratio(table.totals(both), given[:, None].astype(np.float64))
        expected = hits.sum() / pairs.sum() if pairs.any() else float("nan")
        rows.append({"lag": lag, "rate": rate[0], "low": low[0], "high": high[0], "expected": expected})
    found = pd.DataFrame(rows)
    return found.assign(lift=found["rate"] / found["expected"])
