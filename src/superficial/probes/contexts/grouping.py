"""Groups of tokens within which contexts are compared: all, by kind, by task, topic and instruction, by position."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.shift.kinds.classify import KINDS
from superficial.shift.kinds.language import kinds_of_tokens_hold
from superficial.shift.statistics.bootstrap import Floats
from superficial.shift.statistics.groups import memberships
from superficial.shift.statistics.token_table import TokenTable

WIDTH = 8  # positions a group
LAST = 2048  # whatever lies beyond is one group: curves need no more, and memory is bounded


@dataclass(frozen=True)
class Grouping:
    """G groups, which may overlap."""

    name: str
    groups: list[str]  # (G,)
    sums: Callable[[NDArray[Any]], Floats]  # values of the tokens (N,) -> sums by example and group (E, G)


def groupings(table: TokenTable, kind: NDArray[np.int8], data: pd.DataFrame) -> Iterator[Grouping]:
    """Every grouping of the rows of `table`; `kind` (N,) is the kind of each as an index into KINDS.

    A position group is named by its first position. Kinds are left out where responses are not in their language.
    """
    yield Grouping("all", ["all"], table.totals)
    if kinds_of_tokens_hold(kind):
        present = np.unique(kind)
        yield _by_token(table, "kind", [KINDS[one] for one in present], np.searchsorted(present, kind))
    for name, groups, member in memberships(table.ids, data):
        yield _by_example(table, name, groups, member)
    bins = position_bins(table)
    yield _by_token(table, "position", [str(WIDTH * at) for at in range(bins.max() + 1)], bins)


def position_bins(table: TokenTable) -> NDArray[np.int32]:
    """Number of the group of positions that each row lies in, (N,)."""
    found: NDArray[np.int32] = np.minimum(table.position, LAST) // WIDTH
    return found


def _by_example(table: TokenTable, name: str, groups: list[str], member: Floats) -> Grouping:
    """Every example is in the groups that `member` (E, G) says."""
    return Grouping(name, groups, lambda values: table.totals(values) * member)


def _by_token(table: TokenTable, name: str, groups: list[str], group: NDArray[Any]) -> Grouping:
    """Every token is in the one group that `group` (N,) says."""
    return Grouping(name, groups, lambda values: table.sums(group, len(groups), values))
