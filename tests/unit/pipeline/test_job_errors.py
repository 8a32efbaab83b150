"""What jobs say when they fail is repeated at the end of the run, and no start of the workflow leaves a file behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.project import Project

TARGET = "results/data/tiny.parquet"
TELL = 'mkdir -p "$SUPERFICIAL_ERRORS"; echo "error: told by the job" >> "$SUPERFICIAL_ERRORS/all.txt"'
DONE = f"sh -c 'touch {TARGET}' stage"
FAILED = f"sh -c '{TELL}; exit 2' stage"
KILLED = f"sh -c '{TELL}; kill -9 $$' stage"
HANGS = f"sh -c '{TELL}; sleep 60' stage"
# A stage whose work is to write a line, and then to raise what its first argument says, unless a file says otherwise.
WORKING = """
import sys
from pathlib import Path
from types import SimpleNamespace
from superficial import __main__ as entry
from superficial.artifacts.errors import UserError

def run(cfg, runtime, source, out):
    with open("work.txt", "a") as file:
        file.write("worked\\n")
    if not Path("mended").exists():
        raise {"mistake": UserError("told by the job"), "crash": OSError("a disk went away")}[sys.argv[1]]
    out.write_text("done")

config = entry.STAGES["data"].config
entry.STAGES = {"data": SimpleNamespace(config=config, run=run)}
sys.exit(entry.main(sys.argv[2:]))
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.delenv("SUPERFICIAL_ERRORS", raising=False)
    return folder


def left(project: Project) -> list[str]:
    """Names of the folders of errors that are there."""
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
    assert left(project) == [f"errors-{run.pid}"]
    project.planned(TARGET)
    assert left(project) == []


@pytest.mark.parametrize(("raised", "times"), [("mistake", 1), ("crash", 3)])
def test_a_mistake_of_the_user_is_met_once_and_other_failures_are_tried_again(
    tmp_path: Path, temporary: Path, raised: str, times: int
):
    """Snakemake starts the job three times either way; after a mistake two of them end before any work."""
    project = Project(tmp_path / "project", tmp_path)
    (tmp_path / "stage.py").write_text(WORKING)
    project.start_stages(f"{sys.executable} {tmp_path}/stage.py {raised}")
    result = project.run(TARGET, arguments=("--retries", "2"))
    assert result.returncode != 0
    assert result.stdout.count("Trying to restart job") == 2
    assert (project.folder / "work.txt").read_text().splitlines() == ["worked"] * times
    # Each try says it, and the end of the run prints it once.
    assert result.stdout.count("error: told by the job") == (1 if raised == "mistake" else 0)
    assert left(project) == []
    (project.folder / "mended").touch()
    project.made(TARGET)
