"""Shares by task, by topic, and by regular against red-team instructions."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from superficial.shift.category import CATEGORIES
from superficial.shift.statistics.bootstrap import Bootstrap, Floats
from superficial.shift.statistics.token_table import TokenTable

GROUPINGS = {"tasks": "task", "topics": "topic", "category": "instruction"}  # column of the data, name in the table


def groups(table: TokenTable, data: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """One row for each grouping, group and category: pooled share, low, high, tokens and examples (of the group).

    An instruction with two tags counts for both, so groups overlap; every group is resampled with the run's own draws.
    """
    found = table.category_counts
    parts = []
    for grouping, names, member in memberships(table.ids, data):
        inside = member[:, :, None] * found[:, None, :]  # (E, G, 3)
        share, low, high = bootstrap.ratio(inside, inside.sum(axis=2, keepdims=True))
        columns = {"grouping": grouping, "group": np.repeat(names, len(CATEGORIES))}
        columns |= {"category": np.tile(CATEGORIES, len(names))}
        columns |= {"share": share.ravel(), "low": low.ravel(), "high": high.ravel()}
        columns |= {"tokens": np.repeat(inside.sum(axis=(0, 2)).astype(int), len(CATEGORIES))}
        parts.append(pd.DataFrame(columns | {"examples": np.repeat(member.sum(axis=0).astype(int), len(CATEGORIES))}))
    return pd.concat(parts, ignore_index=True)


def memberships(ids: Sequence[str], data: pd.DataFrame) -> Iterator[tuple[str, list[str], Floats]]:
    """Every grouping that the data has: its name, its groups, and which of the examples `ids` are in each, (E, G)."""
    tags = data.set_index("id").loc[list(ids)]
    for column, grouping in GROUPINGS.items():
        values = [{value} if isinstance(value, str) else set(value) for value in tags[column]]
        names = sorted(set().union(*values))
        if names:
            yield grouping, names, np.array([[name in row for name in names] for row in values], dtype=np.float64)
