"""Tables that are written part by part have the bytes of whole ones."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from superficial.artifacts.table import parquet_file, read_rows, read_table, write_parts


@pytest.mark.parametrize("cuts", [[], [1], [7, 20, 21], [64], [90, 95]])
def test_parts_give_the_bytes_of_the_whole(tmp_path: Path, cuts: list[int]):
    """Groups of 32 rows, which end inside of parts."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"id": [f"e{n // 9}" for n in range(100)], "rank": rng.integers(1, 9, 100).astype(np.int32)})
    table["prob"] = rng.random(100, np.float32)
    table["top"] = list(rng.integers(0, 9, (100, 3)).astype(np.int32))
    table["tokens"] = [[f"t{n}", "x"] for n in range(100)]
    table.to_parquet(tmp_path / "whole.parquet", index=False, compression="zstd", row_group_size=32)
    bounds = [0, *cuts, 100]
    parts = (table.iloc[start:stop] for start, stop in pairwise(bounds))
    write_parts(parts, tmp_path / "parts.parquet", 32)
    assert (tmp_path / "parts.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    pd.testing.assert_frame_equal(read_table(tmp_path / "parts.parquet"), read_table(tmp_path / "whole.parquet"))


@pytest.mark.parametrize(("start", "stop"), [(0, 100), (0, 1), (31, 33), (40, 90), (99, 100)])
def test_rows_are_those_of_the_whole_table(tmp_path: Path, start: int, stop: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("superficial.artifacts.table.BATCH", 7)
    table = pd.DataFrame({"id": np.arange(100), "top": [[n, n + 1] for n in range(100)], "unread": "x"})
    table.to_parquet(tmp_path / "t.parquet", index=False, row_group_size=32)
    found = read_rows(tmp_path / "t.parquet", ["id", "top"], start, stop)
    assert found["id"].tolist() == list(range(start, stop))
    assert [list(top) for top in found["top"]] == table["top"].tolist()[start:stop]
    assert list(found.columns) == ["id", "top"]


def test_a_table_that_is_read_by_and_by_is_never_in_memory(tmp_path: Path):
    """32 groups of half a megabyte each: what was read of a group goes when the next one comes."""
    numbers = np.random.default_rng(0).integers(0, 2**62, 2**21)
    pd.DataFrame({"number": numbers}).to_parquet(tmp_path / "t.parquet", row_group_size=2**16, compression=None)
    before, most, read = pa.total_allocated_bytes(), 0, 0
    for batch in parquet_file(tmp_path / "t.parquet").iter_batches(2**12):
        read += len(batch)
        most = max(most, pa.total_allocated_bytes() - before)
    assert read == len(numbers)
    assert most < numbers.nbytes / 4
