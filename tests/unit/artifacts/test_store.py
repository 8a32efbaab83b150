"""Finished work survives; artifacts appear whole or not at all."""

from pathlib import Path

import pandas as pd
import pytest

from superficial.artifacts.files import whole_file, whole_folder
from superficial.artifacts.store import Store
from superficial.artifacts.table import read_table, write_table


@pytest.mark.parametrize("cut", range(1, 40, 3))
@pytest.mark.fault("files", "the last line of a store is torn anywhere", "handled: that entry is made again")
def test_a_torn_last_line_loses_that_entry_alone(tmp_path: Path, cut: int):
    """A kill can cut the file anywhere: what stood before the last line is kept, and the next entry is not spoiled."""
    path = tmp_path / "store.jsonl"
    store = Store(path)
    store.put({"a": [1, 2]})
    whole = path.stat().st_size
    store.put({"b": [3, 4, "ü"]})
    data = path.read_bytes()
    path.write_bytes(data[: max(whole, len(data) - cut)])
    again = Store(path)
    assert again["a"] == [1, 2]
    assert ("b" in again) == (cut <= 1)  # only the final newline is missing
    again.put({"b": [5], "c": [6]})
    final = Store(path)
    assert (final["a"], final["b"], final["c"]) == ([1, 2], [5], [6])


def test_a_failed_write_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole_file(path) as partial:
        partial.write_text("new")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(RuntimeError), whole_folder(folder) as partial:
        (partial / "new").touch()
        raise RuntimeError
    assert [file.name for file in tmp_path.rglob("*")] == ["model", "old"]
    with whole_folder(folder) as partial:
        (partial / "new").touch()
    assert [file.name for file in tmp_path.rglob("*")] == ["model", "new"]


def test_what_a_kill_left_behind_is_not_taken_over(tmp_path: Path):
    """A partial folder of a killed run is emptied, never completed."""
    with whole_folder(tmp_path / "model") as partial:
        name = partial.name
    (tmp_path / name).mkdir()
    (tmp_path / name / "half").touch()
    with whole_folder(tmp_path / "model") as partial:
        (partial / "new").touch()
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["model", "new"]


def test_tokens_that_look_like_missing_values_survive_csv(tmp_path: Path):
    table = pd.DataFrame({"token": ["None", "NA", "null", "nan", '"', " a", "1.0"], "x": [1.5, None, 3, 4, 5, 6, 7]})
    write_table(table, tmp_path / "t.csv")
    back = read_table(tmp_path / "t.csv")
    assert back["token"].tolist() == table["token"].tolist()
    assert back["x"].isna().tolist() == table["x"].isna().tolist()
