"""Sums over examples that come part by part: what stays in memory does not grow with the examples."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from superficial.shift.statistics.bootstrap import Bootstrap, Floats, product

Name = TypeVar("Name", bound=Hashable)


@dataclass
class Pooled:
    """Sums in G groups over all examples that were added, and over the same examples of every resample."""

    sum: Floats  # (G,)
    drawn: Floats  # (R, G)
    examples: NDArray[np.int64]  # (G,): how many have more than nothing

    @classmethod
    def nothing(cls, bootstrap: Bootstrap, groups: int) -> "Pooled":
        """No example yet."""
        drawn = np.zeros((len(bootstrap.counts), groups))
        return cls(np.zeros(groups), drawn, np.zeros(groups, np.int64))

    def add(self, bootstrap: Bootstrap, numbers: slice, sums: Floats) -> None:
        """Further examples, by their `numbers` in the whole table, with their `sums` (E, G)."""
        self.sum += sums.sum(axis=0)
        self.drawn += product(bootstrap.counts[:, numbers], sums)
        self.examples += (sums > 0).sum(axis=0)

    def __sub__(self, other: "Pooled") -> "Pooled":
        """Differences of the sums; nobody asks how many examples have one."""
        return Pooled(self.sum - other.sum, self.drawn - other.drawn, self.examples)


class PooledByName(dict[Name, Pooled], Generic[Name]):
    """Sums of several things; each begins with nothing when it first comes."""

    def __init__(self, bootstrap: Bootstrap) -> None:
        """The resamples of all of them."""
        super().__init__()
        self._bootstrap = bootstrap

    def add(self, name: Name, numbers: slice, sums: Floats) -> None:
        """Further examples of one thing, as `Pooled.add` takes them."""
        if name not in self:
            self[name] = Pooled.nothing(self._bootstrap, sums.shape[1])
        self[name].add(self._bootstrap, numbers, sums)
