"""docs/data.md and the notebook beside it hold for tables that the workflow really made."""

import json
from pathlib import Path

import pandas as pd
import pytest
from support.dictionary import compared_with_declaration
from support.project import ROOT, Project

from superficial import results
from superficial.results.columns import tables


def test_every_column_of_every_table_is_declared(finished: Project):
    good, bad = compared_with_declaration(finished.folder / "results")
    assert bad == []
    assert len(set(good)) > 20


def test_columns_have_the_types_that_the_page_says(finished: Project):
    run = results.open(finished.folder / "results")
    for name, one in tables().items():
        if run.there(name).empty:
            continue
        keys = {key: list(set(run.there(name)[key])) for key in run.there(name)}
        frame = run.table(name, **keys)
        for column, (kind, _) in one.columns.items():
            values = frame[column].dropna()
            if kind == "text":
                assert frame[column].dtype == "str", (name, column)
            elif kind in ("integer", "number"):
                assert pd.api.types.is_numeric_dtype(frame[column]), (name, column)
                assert kind == "number" or (values % 1 == 0).all(), (name, column)
            elif kind != "category":
                assert all(len(value) >= 0 for value in values), (name, column)


def test_the_notebook_runs(finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its code cells in order, as beside a `results/` of a finished run; each of its last lines shows something."""
    notebook = json.loads((ROOT / "docs/results.ipynb").read_text(encoding="utf-8"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "results").symlink_to(finished.folder / "results")
    monkeypatch.chdir(tmp_path / "docs")
    monkeypatch.setenv("MPLBACKEND", "agg")
    names: dict[str, object] = {}
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for code in cells:
        exec(compile(code, "docs/results.ipynb", "exec"), names)
    assert len(cells) >= 5
    assert len(names["ratios"]) == 9  # three categories at three levels
