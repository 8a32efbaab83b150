"""Sums by response position, resampled over the examples that are still running there and no others."""

import numpy as np
from numpy.typing import NDArray

from superficial.shift.statistics.bootstrap import Bootstrap, Floats, product
from superficial.shift.statistics.token_table import TokenTable

BLOCK = 64  # positions summed by one matrix product


class StillRunning:
    """Examples stand longest first, so those that reach a position are the first so many of them.

    A product over all examples at every position would take R x E x P steps, most of them over responses that have
    ended; this takes R x N, N being the tokens.
    """

    def __init__(self, table: TokenTable, bootstrap: Bootstrap, last: int) -> None:
        order = np.argsort(-table.lengths, kind="stable")
        self._starts = table.starts[order]  # (E,)
        self._counts = bootstrap.counts[:, order]  # (R, E)
        reach = np.bincount(np.minimum(table.lengths, last))
        self._buffer = np.zeros((table.examples, BLOCK), order="F")
        self.examples = reach[::-1].cumsum()[::-1][1:]  # (P,): how many have a token at each position

    def sums(self, values: NDArray[np.generic]) -> tuple[Floats, Floats]:
        """Sums by position of `values` (N,) -> as they are (P,), and resampled (R, P)."""
        size = len(self.examples)
        found, drawn = np.empty(size), np.empty((len(self._counts), size))
        for start in range(0, size, BLOCK):
            block = self._block(values, start, min(start + BLOCK, size))
            part = slice(start, start + block.shape[1])
            found[part] = block.sum(axis=0)
            drawn[:, part] = product(self._counts[:, : len(block)], block)
        return found, drawn

    def _block(self, values: NDArray[np.generic], start: int, stop: int) -> Floats:
        """Values by example and position, 0 beyond the end of a response; good until the next call."""
        block = self._buffer[: self.examples[start], : stop - start]
        for column, position in enumerate(range(start, stop)):
            running = self.examples[position]
            block[:running, column] = values[self._starts[:running] + position]
            block[running:, column] = 0
        return block
