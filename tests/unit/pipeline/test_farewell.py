"""The last words of a run."""

import os
from pathlib import Path

import pytest

from superficial.pipeline.farewell import farewell


def test_it_counts_what_is_there_and_new_and_names_one_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    files = ["results/figures/old.pdf", "results/figures/new.pdf", "results/tables/not.csv"]
    for at, file in enumerate(files[:2]):
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (100 * at, 100 * at))
    first = farewell(files, 50, 125)
    assert (
        first
        == f"Done in 1 min 15 s: 2 of 3 figures and tables are there, 1 of them new. They are in {tmp_path}/results"
    )
    for page in ("results/browser/index.html", "results/index.html"):
        Path(page).parent.mkdir(exist_ok=True)
        Path(page).touch()
        last = farewell(files, 50, 125).splitlines()
        assert last[1:] == [f"Open {tmp_path}/{page}: {last[1].rpartition(': ')[2]}"]
