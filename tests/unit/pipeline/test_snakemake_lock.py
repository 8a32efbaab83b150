"""What a kill leaves behind: locks, temporary files and folders."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from superficial.artifacts import files as artifact
from superficial.artifacts.errors import UserError
from superficial.artifacts.files import whole_file, whole_folder
from superficial.pipeline.snakemake_lock import release_stale_lock

HOLD = "import sys, time; exec(sys.argv[1]); print('held', flush=True); time.sleep(60)"


@pytest.fixture
def other() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that a test starts."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def holding(code: str, started: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    """A process that has run `code` and lives on."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, code], stdout=subprocess.PIPE, text=True)
    started.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.fault(
    "operating system",
    "two runs at once in one folder, or the lock of a killed one",
    "the lock of a living run stays, and the second ends with Snakemake's message; a dead one's is released",
)
def test_a_lock_is_released_when_nobody_holds_it(
    tmp_path: Path, other: list[subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
):
    state = tmp_path / ".snakemake"
    lock = state / "locks/0.output.lock"
    code = (
        "from pathlib import Path; from superficial.pipeline.snakemake_lock import release_stale_lock;"
        f" held = release_stale_lock(Path({str(state)!r}))"
    )
    alive = holding(code, other)
    lock.parent.mkdir()
    lock.write_text("results/x\n")
    mine = release_stale_lock(state)
    assert lock.is_file()  # it may belong to the one that lives
    assert mine is not None
    mine.close()
    alive.kill()
    alive.wait()
    mine = release_stale_lock(state)
    assert not lock.exists()
    assert "run before was killed" in capsys.readouterr().err
    # While this one lives, so does its lock.
    lock.parent.mkdir()
    lock.write_text("results/x\n")
    holding(code, other)
    assert lock.is_file()
    assert mine is not None
    mine.close()


@pytest.mark.fault(
    "operating system", "kill -9 in the middle of a write", "handled: what is left is deleted by the next writer"
)
def test_what_a_killed_writer_left_is_deleted_and_a_living_one_is_let_be(
    tmp_path: Path, other: list[subprocess.Popen[str]]
):
    path = tmp_path / "table.csv"
    code = (
        "from superficial.artifacts.files import whole_file; from pathlib import Path;"
        f"c = whole_file(Path({str(path)!r})); p = c.__enter__(); p.write_text('half')"
    )
    dead, _living = holding(code, other), holding(code, other)
    dead.kill()
    dead.wait()
    assert len(list(tmp_path.glob(".table-*"))) == 2
    for file in tmp_path.glob(".table-*"):
        os.utime(file, (time.time() - 100,) * 2)
    with whole_file(path) as partial:
        partial.write_text("whole")
    assert path.read_text() == "whole"
    assert len(list(tmp_path.glob(".table-*"))) == 1


@pytest.mark.fault("operating system", "two processes make one folder", "one line for the second; exit code 2")
def test_a_folder_is_made_by_one_process_at_a_time(tmp_path: Path, other: list[subprocess.Popen[str]]):
    path = tmp_path / "model"
    code = (
        "from superficial.artifacts.files import whole_folder; from pathlib import Path;"
        f"c = whole_folder(Path({str(path)!r})); p = c.__enter__(); (p / 'left').write_text('half')"
    )
    alive = holding(code, other)
    with pytest.raises(UserError, match="another process is making it"), whole_folder(path):
        pass
    alive.kill()
    alive.wait()
    with whole_folder(path) as folder:
        (folder / "whole").write_text("x")
    assert [file.name for file in path.iterdir()] == ["whole"]


@pytest.mark.fault(
    "operating system", "the power fails right after a write", "handled: content, then name, then folder are flushed"
)
def test_everything_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The page cache is lost with the power: content, then the name, then the folder that holds the name."""
    done: list[tuple[str, str]] = []
    flush, replace = artifact.flush, Path.replace
    monkeypatch.setattr(artifact, "flush", lambda path: (done.append(("flush", path.name)), flush(path)))
    monkeypatch.setattr(
        Path, "replace", lambda path, target: (done.append(("name", target.name)), replace(path, target))
    )
    with whole_file(tmp_path / "a.csv") as partial:
        partial.write_text("x")
    assert done == [("flush", partial.name), ("name", "a.csv"), ("flush", tmp_path.name)]
    done.clear()
    with whole_folder(tmp_path / "m") as folder:
        (folder / "sub").mkdir()
        (folder / "sub/w").write_text("x")
    *before, last, end = done
    assert {name for _, name in before} == {"sub", "w", ".m.partial"}
    assert (last, end) == (("name", "m"), ("flush", tmp_path.name))
