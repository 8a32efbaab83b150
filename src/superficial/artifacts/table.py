"""Tables on disk: Parquet for what later stages read, CSV for what people read. Equal tables give equal bytes."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from superficial.artifacts.damage import undamaged
from superficial.artifacts.files import whole_file
from superficial.artifacts.spreadsheet import bare, each_text, guarded

TEXTS = ("id", "example_id", "token")  # columns that stay text, though every value of a table may look like a number

BATCH = 2**13  # rows decoded at a time
GROUP = 2**16  # rows of a group in a Parquet file: what a writer of parts has in memory


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write `path` as Parquet or CSV, by its suffix; the file appears whole."""
    with whole_file(path) as partial:
        if path.suffix == ".csv":
            # Nine significant digits give back any float32, and do not show the noise of float64 sums.
            each_text(table, guarded).to_csv(partial, index=False, float_format="%.9g", lineterminator="\n")
        else:
            table.to_parquet(partial, index=False, compression="zstd", row_group_size=GROUP)


def write_parts(parts: Iterable[pd.DataFrame], path: Path, group: int = GROUP) -> None:
    """Write a table that comes in parts, at least one: the bytes of `write_table`, with one group in memory at most."""
    rest = iter(parts)
    first = pa.Table.from_pandas(next(rest), preserve_index=False)
    tables = chain([first], (pa.Table.from_pandas(part, preserve_index=False) for part in rest))
    with whole_file(path) as partial, pq.ParquetWriter(partial, first.schema, compression="zstd") as writer:
        for table in _of_equal_length(tables, group):
            writer.write_table(table, group)


def _of_equal_length(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """The same rows in tables of `size` rows; the last one may be shorter."""
    held: list[pa.Table] = []
    room = size
    for table in tables:
        while len(table) >= room:
            held.append(table.slice(0, room))
            table, room = table.slice(room), size
            yield _in_one_piece(held)
        held.append(table)
        room -= len(table)
    if room < size:
        yield _in_one_piece(held)


def _in_one_piece(tables: list[pa.Table]) -> pa.Table:
    """All rows, copied column by column; `tables` is empty then, so that no more than a column is there twice."""
    whole, columns = pa.concat_tables(tables), []
    schema = whole.schema
    tables.clear()
    while whole.num_columns:
        columns.append(whole.column(0).combine_chunks())
        whole = whole.remove_column(0)
    return pa.Table.from_arrays(columns, schema=schema)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read what `write_table` wrote; of Parquet some `columns`. A UserError where the file is damaged."""
    with undamaged(path):
        if path.suffix == ".csv":
            # "None", "NA" and "null" are tokens that models write; only an empty field is missing.
            table = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values=[""])
            return each_text(table, bare)
        return pd.read_parquet(path, columns=None if columns is None else list(columns))


def parquet_file(path: Path) -> pq.ParquetFile:
    """A Parquet table that is read by and by; a UserError where it is cut short."""
    with undamaged(path):
        return pq.ParquetFile(path, pre_buffer=False)  # else what was read stays in memory


def read_rows(path: Path, columns: Sequence[str], start: int, stop: int) -> pd.DataFrame:
    """Some rows of a Parquet table; no more than a part of one group is ever in memory."""
    file, first, parts = parquet_file(path), 0, []
    for group in range(file.num_row_groups):
        last = first + file.metadata.row_group(group).num_rows
        if first < stop and start < last:
            for batch in file.iter_batches(BATCH, [group], list(columns)):
                low, high = max(start - first, 0), min(stop - first, len(batch))
                if low < high:
                    parts.append(batch.slice(low, high - low))
                first += len(batch)
                if first >= stop:
                    break
        first = last
    return pa.Table.from_batches(parts).to_pandas()
