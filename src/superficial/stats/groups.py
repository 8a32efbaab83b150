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
        for group in sorted(set().union(*values)):
            member = np.array([group in row for row in values], dtype=np.float64)[:, None]
            inside = found * member
            totals = np.repeat(inside.sum(axis=1, keepdims=True), len(CATEGORIES), axis=1)
            share, low, high = bootstrap.ratio(inside, totals)
            columns = {"grouping": grouping, "group": group, "category": CATEGORIES}
            columns |= {"share": share, "low": low, "high": high}
            parts.append(pd.DataFrame(columns).assign(tokens=int(inside.sum()), examples=int(member.sum())))
    return pd.concat(parts, ignore_index=True)
