"""Shares by task, by topic, and by regular against red-team instructions."""

import numpy as np
import pandas as pd

from superficial.category import CATEGORIES
from superficial.stats.bootstrap import Bootstrap
from superficial.stats.token_table import TokenTable

GROUPINGS = {"tasks": "task", "topics": "topic", "category": "instruction"}  # column of the data, name in the table


def groups(table: TokenTable, data: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """One row a grouping, group and category: pooled share, low, high, tokens (of the group), examples (of the group).

    An instruction with two tags counts for both, so groups overlap; every group is resampled with the run's own draws.
    """
    found = table.category_counts
    tags = data.set_index("id").loc[table.ids]
    parts = []
    for column, grouping in GROUPINGS.items():
        values = [{value} if isinstance(value, str) else set(value) for value in tags[column]]
        names = sorted(set().union(*values))
        if not names:
            continue
        member = np.array([[name in row for name in names] for row in values], dtype=np.float64)  # (E, G)
        inside = member[:, :, None] * found[:, None, :]  # (E, G, 3)
        share, low, high = bootstrap.ratio(inside, inside.sum(axis=2, keepdims=True))
        columns = {"grouping": grouping, "group": np.repeat(names, len(CATEGORIES))}
        columns |= {"category": np.tile(CATEGORIES, len(names))}
        columns |= {"share": share.ravel(), "low": low.ravel(), "high": high.ravel()}
        columns |= {"tokens": np.repeat(inside.sum(axis=(0, 2)).astype(int), len(CATEGORIES))}
        parts.append(pd.DataFrame(columns | {"examples": np.repeat(member.sum(axis=0).astype(int), len(CATEGORIES))}))
    return pd.concat(parts, ignore_index=True)
