"""Folders of a run: its jobs know where they are, and nothing of an earlier run is in them."""

import os
from pathlib import Path

import pytest

from superficial.artifacts.run_folder import RunFolder

NOTES = RunFolder("SUPERFICIAL_NOTES", "notes")


@pytest.fixture(autouse=True)
def not_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NOTES.variable, "")


def test_jobs_know_a_folder_that_is_announced_and_the_first_one_makes_it(tmp_path: Path):
    assert NOTES.announced() is NOTES.made() is None
    folder = NOTES.announce(tmp_path)
    assert folder == NOTES.announced() == tmp_path / f"notes-{os.getpid()}"
    assert not folder.exists()
    assert NOTES.made() == NOTES.made() == folder
    assert folder.is_dir()


def test_where_it_cannot_be_made_there_is_none(tmp_path: Path):
    NOTES.announce(tmp_path / "gone")
    assert NOTES.made() is None


def test_a_killed_run_with_this_process_id_has_left_nothing_in_it(tmp_path: Path):
    (tmp_path / f"notes-{os.getpid()}").mkdir()
    (tmp_path / f"notes-{os.getpid()}" / "old").touch()
    assert not NOTES.announce(tmp_path).exists()


def test_what_killed_runs_have_left_is_deleted(tmp_path: Path):
    for name in ("notes-1", "notes-23", "metadata"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lines.txt").touch()
    NOTES.delete_left(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["metadata"]
