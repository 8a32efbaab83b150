"""The token table as statistics read it: one column of some examples at a time, so that millions need little memory."""

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
from superficial.shift.kinds.classify import KINDS
from superficial.shift.statistics.bootstrap import Floats
from superficial.shift.statistics.repetition import repeated_ngrams

ROWS = 2**19  # of a part, but for a single response that is longer
MOST = 4096  # examples of a part
BLOCK = 4096  # examples whose tokens are added up at a time
TEXTS = ("example_id", "token", "kind")  # columns of repeated text, read as dictionaries of their distinct values

Read = Callable[[str, int, int], pa.ChunkedArray]  # a column, from one row up to another


class TokenTable:
    """Rows stand as the compare stage writes them: example after example, positions from 0 in each.

    Arrays of N entries have one for each row: with millions of rows, make them of `parts` and not of the whole table.
    """

    def __init__(self, read: Read, size: int) -> None:
        """A table of `size` rows; `read` gives some of them."""
        self._read, self.size = read, size

    @classmethod
    def open(cls, path: Path) -> "TokenTable":
        """The table in a Parquet file, of which only the columns and rows that are asked for are ever read."""
        metadata = pq.read_metadata(path)
        ends = np.cumsum([metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)])

        def read(name: str, start: int, stop: int) -> pa.ChunkedArray:
            groups = np.arange(np.searchsorted(ends, start, side="right"), np.searchsorted(ends, stop) + 1)
            before = int(ends[groups[0] - 1]) if groups[0] else 0
            texts = [name] if name in TEXTS else []
            with pq.ParquetFile(path, metadata=metadata, read_dictionary=texts) as file:
                return file.read_row_groups(groups.tolist(), [name]).column(name).slice(start - before, stop - start)

        return cls(read, metadata.num_rows)

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "TokenTable":
        """The table in memory."""
        table = pa.Table.from_pandas(frame, preserve_index=False)
        return cls(lambda name, start, stop: table.column(name).slice(start, stop - start), len(table))

    def beside(self, further: Mapping[str, "TokenTable"]) -> "TokenTable":
        """The same table with further columns by name, each from another table of the same rows."""
        return TokenTable(lambda name, start, stop: further.get(name, self).read(name, start, stop), self.size)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> pa.ChunkedArray:
        """A column, or some rows of it."""
        return self._read(name, start, self.size if stop is None else stop)

    def parts(self) -> Iterator["TokenTable"]:
        """Some whole examples at a time, as tables of their own."""
        ends, first = self.starts + self.lengths, 0
        while first < self.examples:
            start = int(self.starts[first])
            fit = int(np.searchsorted(ends, start + ROWS, side="right"))
            last = min(max(fit, first + 1), first + MOST, self.examples)
            yield self._part(slice(first, last), start, int(ends[last - 1]))
            first = last

    def _part(self, numbers: slice, start: int, stop: int) -> "TokenTable":
        part = TokenTable(lambda name, first, last: self.read(name, start + first, start + last), stop - start)
        part.numbers, part.starts = numbers, self.starts[numbers] - start  # so that it need not read its positions
        return part

    def by_example(self, function: Callable[["TokenTable"], Floats]) -> Floats:
        """What `function` makes of every part, an entry for each of its examples: (E, ...)."""
        return np.concatenate([function(part) for part in self.parts()])

    def column(self, name: str) -> NDArray[Any]:
        """All values of one column, (N,)."""
        return np.asarray(self.read(name).to_numpy())

    def lists(self, name: str) -> NDArray[Any]:
        """All values of a column of lists of one length, (N, K)."""
        return np.asarray(self.read(name).combine_chunks().flatten()).reshape(self.size, -1)

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
    def starts(self) -> NDArray[np.int64]:
        """Row of the first token of each example, (E,)."""
        found = []
        for start in range(0, self.size, ROWS):
            position = self.read("position", start, min(start + ROWS, self.size)).to_numpy()
            found.append(start + np.flatnonzero(position == 0))
        return np.concatenate(found)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Response length of each example in tokens, (E,)."""
        return np.diff(self.starts, append=self.size)

    @property
    def examples(self) -> int:
        """Number of examples E."""
        return len(self.starts)

    @cached_property
    def numbers(self) -> slice:
        """Which examples of the whole table these are."""
        return slice(0, self.examples)

    @cached_property
    def position(self) -> NDArray[np.int32]:
        """Position in the response, from 0, (N,)."""
        found = np.arange(self.size, dtype=np.int32)
        found -= np.repeat(self.starts.astype(np.int32), self.lengths)
        return found

    @cached_property
    def example(self) -> NDArray[np.int32]:
        """Number of the example that each row belongs to, from 0 in the order of the table, (N,)."""
        return np.repeat(np.arange(self.examples, dtype=np.int32), self.lengths)

    @cached_property
    def ids(self) -> list[str]:
        """Id of each example, in the order of the table."""
        return [name for part in self.parts() for name in part._texts("example_id", part.starts)]

    @cached_property
    def category(self) -> NDArray[np.int8]:
        """Category of each row as an index into CATEGORIES, (N,)."""
        return category_index(self.column("base_rank")).astype(np.int8)

    @cached_property
    def kind(self) -> NDArray[np.int8]:
        """Kind of each row as an index into KINDS, (N,), where the table has a column of kinds beside it."""
        return self.codes("kind", KINDS)

    @cached_property
    def kind_counts(self) -> NDArray[np.int64]:
        """Tokens of each of KINDS, over all examples, (K,)."""
        found: NDArray[np.int64] = np.sum(
            [np.bincount(part.kind, minlength=len(KINDS)) for part in self.parts()], axis=0
        )
        return found

    @cached_property
    def category_counts(self) -> Floats:
        """Tokens of each category by example, (E, 3)."""
        return self.by_example(lambda part: part.sums(part.category, len(CATEGORIES)))

    @cached_property
    def repeated(self) -> Floats:
        """How much of each response is repeated 8-grams, (E,)."""
        return self.by_example(
            lambda part: np.array([repeated_ngrams(one) for one in np.split(part.column("token_id"), part.starts[1:])])
        )

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
