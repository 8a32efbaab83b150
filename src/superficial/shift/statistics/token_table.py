"""The token table as statistics read it: one column at a time, so that ten million rows need little memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from superficial.shift.category import CATEGORIES, category_index
from superficial.shift.statistics.bootstrap import Floats

ROWS = 2**16  # of a column of lists that are in memory at a time
BLOCK = 4096  # examples whose tokens are added up at a time
TEXTS = ("example_id", "token", "kind")  # columns of repeated text, read as dictionaries of their distinct values


class TokenTable:
    """Rows stand as the compare stage writes them: example after example, positions from 0 in each."""

    def __init__(self, read: Callable[[str], pa.ChunkedArray], parts: Callable[[str], Iterator[pa.Array]]) -> None:
        """`read` a column, or give it in `parts`."""
        self.read, self._parts = read, parts

    @classmethod
    def open(cls, path: Path) -> "TokenTable":
        """The table in a Parquet file, of which only the columns that are asked for are ever read."""

        def read(name: str) -> pa.ChunkedArray:
            return pq.read_table(path, columns=[name], read_dictionary=list(TEXTS)).column(name)

        def parts(name: str) -> Iterator[pa.Array]:
            return (batch.column(0) for batch in pq.ParquetFile(path).iter_batches(ROWS, columns=[name]))

        return cls(read, parts)

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "TokenTable":
        """The table in memory."""
        table = pa.Table.from_pandas(frame, preserve_index=False)
        return cls(table.column, lambda name: table.column(name).iterchunks())

    def beside(self, further: Mapping[str, Callable[[], pa.ChunkedArray]]) -> "TokenTable":
        """The same table with further columns (N,), each read when it is asked for."""
        return TokenTable(lambda name: further[name]() if name in further else self.read(name), self._parts)

    def column(self, name: str) -> NDArray[Any]:
        """All values of one column, (N,)."""
        return np.asarray(self.read(name).to_numpy())

    def of_lists(self, name: str, function: Callable[[NDArray[Any]], Floats]) -> Floats:
        """What `function` makes of n lists of one length, (n, K) -> (n, ...), for all rows of a column: (N, ...)."""
        parts = (np.asarray(part.flatten()).reshape(len(part), -1) for part in self._parts(name))
        return np.concatenate([function(part) for part in parts])

    def codes(self, name: str, values: Sequence[str]) -> NDArray[np.int8]:
        """A text column as indices into `values`, (N,)."""
        place = {value: code for code, value in enumerate(values)}
        parts = [np.empty(0, np.int8)]
        for chunk in self.read(name).chunks:
            coded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
            lookup = np.array([place[text] for text in coded.dictionary.to_pylist()], np.int8)
            parts.append(lookup[coded.indices.to_numpy()])
        return np.concatenate(parts)

    @cached_property
    def position(self) -> NDArray[np.int32]:
        """Position in the response, from 0, (N,)."""
        return self.column("position").astype(np.int32, copy=False)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Row of the first token of each example, (E,)."""
        return np.flatnonzero(self.position == 0)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Response length of each example in tokens, (E,)."""
        return np.diff(self.starts, append=len(self.position))

    @property
    def examples(self) -> int:
        """Number of examples E."""
        return len(self.starts)

    @cached_property
    def example(self) -> NDArray[np.int32]:
        """Number of the example that each row belongs to, from 0 in the order of the table, (N,)."""
        return np.repeat(np.arange(self.examples, dtype=np.int32), self.lengths)

    @cached_property
    def ids(self) -> list[str]:
        """Id of each example, in the order of the table."""
        return self._texts("example_id", self.starts)

    @cached_property
    def category(self) -> NDArray[np.int8]:
        """Category of each row as an index into CATEGORIES, (N,)."""
        return category_index(self.column("base_rank")).astype(np.int8)

    @cached_property
    def category_counts(self) -> Floats:
        """Tokens of each category by example, (E, 3)."""
        return self.sums(self.category, len(CATEGORIES))

    def texts(self, rows: NDArray[np.int64]) -> list[str]:
        """Token text of some rows."""
        return self._texts("token", rows)

    def _texts(self, column: str, rows: NDArray[np.int64]) -> list[str]:
        return [str(text) for text in self.read(column).take(pa.array(rows)).to_pylist()]

    def sums(self, bins: NDArray[Any], size: int, weights: NDArray[Any] | None = None) -> Floats:
        """Sums of `weights` (by default counts) by example and bin, (E, size)."""
        found = np.empty((self.examples, size))
        for start in range(0, self.examples, BLOCK):
            stop = min(start + BLOCK, self.examples)
            rows = slice(self.starts[start], self.starts[stop] if stop < self.examples else None)
            flat = (self.example[rows] - start).astype(np.int64) * size + bins[rows]
            inside = None if weights is None else weights[rows]
            found[start:stop] = np.bincount(flat, inside, (stop - start) * size).reshape(-1, size)
        return found

    def totals(self, values: NDArray[Any]) -> Floats:
        """Sums of `values` (N,) by example, (E, 1)."""
        return np.add.reduceat(values, self.starts, dtype=np.float64)[:, None]
