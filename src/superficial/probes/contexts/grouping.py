"""Groups of tokens within which contexts are compared: all, by kind, by task, topic and instruction, by position."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.shift.kinds.classify import KINDS
from superficial.shift.kinds.language import counts_hold
from superficial.shift.statistics.bootstrap import Floats
from superficial.shift.statistics.groups import memberships
from superficial.shift.statistics.token_table import TokenTable

WIDTH = 8  # positions a group
LAST = 2048  # whatever lies beyond is one group: curves need no more, and memory is bounded


@dataclass(frozen=True)
class Grouping:
    """G groups, which may overlap. They are those of a whole table; `sums` are those of a part of it, too."""

    name: str
    groups: list[str]  # (G,)
    sums: Callable[[TokenTable, NDArray[Any]], Floats]  # a table, values of its rows (N,) -> sums by example, (E, G)


def groupings(table: TokenTable, data: pd.DataFrame) -> Iterator[Grouping]:
    """Every grouping of the rows of `table`, which has the kind of each beside it.

    A position group is named by its first position. Kinds are left out where responses are not in their language.
    """
    yield Grouping("all", ["all"], TokenTable.totals)
    if counts_hold(table.kind_counts):
        present = np.flatnonzero(table.kind_counts)
        names = [KINDS[one] for one in present]
        yield _by_token("kind", names, lambda part: np.searchsorted(present, part.kind))
    for name, groups, member in memberships(table.ids, data):
        yield _by_example(name, groups, member)
    size = position_groups(table)
    yield _by_token("position", [str(WIDTH * at) for at in range(size)], position_bins)


def position_groups(table: TokenTable) -> int:
    """How many groups of positions there are."""
    return int(min(table.lengths.max() - 1, LAST)) // WIDTH + 1


def position_bins(table: TokenTable) -> NDArray[np.int32]:
    """Number of the group of positions that each row lies in, (N,)."""
    found: NDArray[np.int32] = np.minimum(table.position, LAST) // WIDTH
    return found


def _by_example(name: str, groups: list[str], member: Floats) -> Grouping:
    """Every example is in the groups that `member` (E, G) says."""
    return Grouping(name, groups, lambda part, values: part.totals(values) * member[part.numbers])


def _by_token(name: str, groups: list[str], group: Callable[[TokenTable], NDArray[Any]]) -> Grouping:
    """Every token is in the one group that `group` (N,) says."""
    return Grouping(name, groups, lambda part, values: part.sums(group(part), len(groups), values))
