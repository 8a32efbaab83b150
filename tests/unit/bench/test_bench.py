"""The bench of the statistics measures the real stage on files like the real ones."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from superficial.__main__ import main as superficial
from superficial.artifacts.table import read_table
from superficial.bench import large, memory, statistics
from superficial.bench.__main__ import main
from superficial.shift.statistics.token_table import TokenTable


def test_the_stage_runs_on_the_synthetic_files(tmp_path: Path) -> None:
    files = statistics.write_tables(tmp_path, 30, 600)
    table = TokenTable.open(files["shifts"])
    assert table.examples == 30
    assert table.lengths.sum() == 600
    assert (np.diff(table.starts) > 0).all()
    lists = {f"{side}_top_{name}" for side in ("base", "aligned") for name in ("ids", "probs", "tokens")}
    schema = pq.read_schema(files["shifts"])
    assert lists <= set(schema.names)
    assert subprocess.run(statistics.command(tmp_path, files), check=False).returncode == 0
    for name in statistics.TABLES:
        assert len(read_table(tmp_path / f"{name}.csv"))


@pytest.mark.parametrize(("examples", "rows"), [(1, 10), (33, 10_000), (5, 5)])
def test_lengths_sum_to_the_rows(examples: int, rows: int) -> None:
    found = statistics.response_lengths(np.random.default_rng(0), examples, rows)
    assert found.sum() == rows
    assert found.min() >= 1


def test_the_stages_run_on_the_synthetic_responses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each finds what it reads, and a process tells its own peak."""
    memory.write_inputs(tmp_path, 3)
    commands = memory.commands()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TQDM_DISABLE", "1")
    for words in commands.values():
        assert superficial(words) == 0
    assert memory.disk(tmp_path, "results/scores", "results/.states") == memory.disk(tmp_path, "results/scores") > 0
    peak, _ = memory.measured(tmp_path, commands["pair"])
    assert 50 < peak < 4000
    with pytest.raises(RuntimeError, match="no such model"):
        memory.measured(tmp_path / "results", commands["pair"])


def test_what_follows_a_comparison_runs_on_the_synthetic_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of all responses, in the order of the responses; then every stage finds what it reads."""
    monkeypatch.setattr(large, "FIGURES", ("shift_ratio",))
    monkeypatch.setattr(large, "PART", 2)
    large.write_tables(tmp_path, 5)
    answers = read_table(tmp_path / "results/responses/d/aligned/aligned.parquet")
    table = read_table(tmp_path / "results/shifts/d/p/zero_shot.parquet")
    assert table["token_id"].tolist() == [token for ids in answers["token_ids"] for token in ids]
    assert table["example_id"].unique().tolist() == answers["id"].tolist()
    assert answers["text"].tolist() == table.groupby("example_id", sort=False)["token"].sum().tolist()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TQDM_DISABLE", "1")
    for words in large.commands().values():
        assert superficial(words) == 0
    assert "shift_ratio" in (tmp_path / "results/manifest.json").read_text(encoding="utf-8")


def test_all_that_was_measured_is_one_table_and_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(statistics, "EXAMPLES", 30)
    monkeypatch.setattr(statistics, "ROWS", 600)
    monkeypatch.setattr(memory, "main", lambda note: note("peak", 1.5, "MB"))
    assert main(["statistics", "memory"]) == 0
    saved = json.loads((tmp_path / "results/bench.json").read_text(encoding="utf-8"))
    assert {row["bench"] for row in saved["rows"]} == {"statistics", "memory"}
    assert saved["rows"][-1] == {"bench": "memory", "measure": "peak", "value": 1.5, "unit": "MB"}
    assert saved["machine"]["cores"]
    assert saved["packages"]["torch"]
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(saved["rows"]) + 2  # a line each, the head of the table, and where it was saved
    assert "600" in printed[1]


def test_an_unknown_bench_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["speling"])
    assert stopped.value.code == 2
    assert "statistics" in capsys.readouterr().err


def test_the_module_runs() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "superficial.bench", "--help"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert "statistics" in result.stdout
