"""Which tokens shift: lists by count and by rate for each category (paper, figure 3)."""

import numpy as np
import pandas as pd

from superficial.category import CATEGORIES
from superficial.stats.token_table import TokenTable


def frequent_tokens(table: TokenTable, top: int, min_occurrences: int) -> pd.DataFrame:
    """The `top` tokens of each category, by `count` and by `rate`.

    Columns: order (which of the two), category, token_id, token, count, occurrences, rate.

    `occurrences` counts the token id in all responses, whatever its category; rate = count / occurrences. The list by
    rate holds only tokens that occur at least `min_occurrences` times. Ids are the key: two ids may read alike.
    """
    ids, first, inverse = np.unique(table.column("token_id"), return_index=True, return_inverse=True)
    size = len(CATEGORIES)
    flat = np.bincount(inverse.astype(np.int64) * size + table.category, minlength=len(ids) * size)
    counts = flat.reshape(len(ids), size)
    occurrences = counts.sum(axis=1)
    parts = []
    for index, name in enumerate(CATEGORIES):
        count = counts[:, index]
        rate = count / occurrences
        # Ties are ordered by id, so that equal runs give equal tables.
        for order, rows in (
            ("count", np.lexsort((ids, -rate, -count))),
            ("rate", np.lexsort((ids, -count, -rate))),
        ):
            enough = (count > 0) & ((occurrences >= min_occurrences) | (order == "count"))
            chosen = rows[enough[rows]][:top]
            columns = {"order": order, "category": name, "token_id": ids[chosen], "token": table.texts(first[chosen])}
            columns |= {"count": count[chosen], "occurrences": occurrences[chosen], "rate": rate[chosen]}
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
