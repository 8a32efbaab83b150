"""Sums by response position, resampled over the examples that are still running there and no others."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superficial.shift.statistics.bootstrap import Bootstrap, Floats, product
from superficial.shift.statistics.token_table import TokenTable

BLOCK = 64  # positions summed by one matrix product


class StillRunning:
    """Examples of a part stand longest first, so those that reach a position are the first so many of them.

    A product over all examples at every position would take R x E x P steps, most of them over responses that have
    ended; this takes R x N, N being the tokens.
    """

    def __init__(self, table: TokenTable, bootstrap: Bootstrap, last: int) -> None:
        self._table, self._bootstrap = table, bootstrap
        self.examples = _running(np.minimum(table.lengths, last))  # (P,): how many have a token at each position

    def sums(self, values: Callable[[TokenTable], NDArray[Any]]) -> tuple[Floats, Floats]:
        """Sums by position of the `values` of every part -> as they are (P,), and resampled (R, P)."""
        size = len(self.examples)
        found, drawn = np.zeros(size), np.zeros((len(self._bootstrap.counts), size))
        for part in self._table.parts():
            order = np.argsort(-part.lengths, kind="stable")
            starts, counts = part.starts[order], self._bootstrap.counts[:, part.numbers][:, order]
            running, value = _running(np.minimum(part.lengths, size)), values(part)
            for start in range(0, len(running), BLOCK):
                block = _block(value, starts, running, slice(start, min(start + BLOCK, len(running))))
                place = slice(start, start + block.shape[1])
                found[place] += block.sum(axis=0)
                drawn[:, place] += product(counts[:, : len(block)], block)
        return found, drawn


def _running(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the examples have a token at each position, (P,)."""
    return np.bincount(lengths)[::-1].cumsum()[::-1][1:]


def _block(value: NDArray[Any], starts: NDArray[np.int64], running: NDArray[np.int64], positions: slice) -> Floats:
    """Values by example and position, 0 beyond the end of a response."""
    block = np.zeros((running[positions.start], positions.stop - positions.start), order="F")
    for column, count in enumerate(running[positions]):
        block[:count, column] = value[starts[:count] + positions.start + column]
    return block
