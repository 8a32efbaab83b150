"""What jobs say when they fail is repeated at the end of the run, and no start of the workflow leaves a file behind."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.project import Project

TARGET = "results/data/tiny.parquet"
TELL = 'echo "error: told by the job" >> "$SUPERFICIAL_ERRORS"'
DONE = f"sh -c 'touch {TARGET}' stage"
FAILED = f"sh -c '{TELL}; exit 2' stage"
KILLED = f"sh -c '{TELL}; kill -9 $$' stage"
HANGS = f"sh -c '{TELL}; sleep 60' stage"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.delenv("SUPERFICIAL_ERRORS", raising=False)
    return folder


def left(project: Project) -> list[str]:
    """Names of the files of errors that are there."""
    return [path.name for path in (project.folder / ".snakemake").glob("errors*")]


@pytest.mark.parametrize("stage", [DONE, FAILED, KILLED])
def test_nothing_is_left_when_a_job_is_done_fails_or_is_killed(tmp_path: Path, temporary: Path, stage: str):
    project = Project(tmp_path / "project", tmp_path)
    project.start_stages(stage)
    result = project.run(TARGET)
    assert (result.returncode == 0) == (stage == DONE), result.stdout
    assert result.stdout.endswith("error: told by the job\n") == (stage != DONE)
    assert left(project) == []
    assert list(temporary.iterdir()) == []


def test_what_a_killed_run_leaves_is_deleted_by_the_next_start(tmp_path: Path, temporary: Path):
    project = Project(tmp_path / "project", tmp_path)
    project.start_stages(HANGS)
    run = subprocess.Popen(
        project.command(TARGET), cwd=project.folder, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    patience = time.monotonic() + 60
    while not left(project) and time.monotonic() < patience:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert left(project) == [f"errors-{run.pid}.txt"]
    project.planned(TARGET)
    assert left(project) == []
