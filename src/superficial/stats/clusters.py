"""Where shifts cluster: does a shifted token make a shift nearby more likely?"""

import numpy as np
import pandas as pd

from superficial.category import CATEGORIES
from superficial.stats.bootstrap import Bootstrap
from superficial.stats.token_table import TokenTable

LAGS = range(1, 11)


def clusters(table: TokenTable, bootstrap: Bootstrap) -> pd.DataFrame:
    """One row a lag (tokens): rate of shifts that far behind a shifted token, low, high, `expected`, `lift`.

    `expected` is the rate of shifts at all positions that have a token `lag` before them; lift = rate / expected.
    """
    shifted = table.category == CATEGORIES.index("shifted")
    rows = []
    for lag in LAGS:
        # Row i is paired with the row `lag` before it, where both belong to one response.
        paired = table.position >= lag
        before = np.zeros_like(shifted)
        before[lag:] = shifted[:-lag]
        both, given, hits, pairs = (
            table.sums(np.zeros_like(table.example), 1, weights.astype(np.float64))
            for weights in (paired & shifted & before, paired & before, paired & shifted, paired)
        )
        rate, low, high = bootstrap.ratio(both, given)
        expected = hits.sum() / pairs.sum() if pairs.any() else float("nan")
        rows.append({"lag": lag, "rate": rate[0], "low": low[0], "high": high[0], "expected": expected})
    found = pd.DataFrame(rows)
    return found.assign(lift=found["rate"] / found["expected"])
