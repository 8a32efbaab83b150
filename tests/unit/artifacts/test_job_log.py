"""What a job says: all of it is in its log; the terminal has lines, and one bar at a time."""

import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from superficial.artifacts.errors import UserError
from superficial.artifacts.job_log import logged, say, terminal_for_child
from superficial.artifacts.progress import progress
from superficial.artifacts.told import LINES, TOLD, shown

# A job that tells a line, then draws a bar of three steps; between two steps it waits for a line on stdin.
JOB = """
import os, sys
from pathlib import Path
from superficial.artifacts import job_log
from superficial.artifacts.progress import progress
name = sys.argv[1]
with job_log.logged(Path(f"{name}.log")):
    job_log.say(f"{name} begins")
    os.write(2, f"{name}: noise of a library\\n".encode())
    with progress(name, 3, "steps") as bar:
        for _ in range(3):
            bar.refresh()
            print("step", flush=True)
            sys.stdin.readline()
            bar.update()
"""


class Job:
    """One process of JOB."""

    def __init__(self, name: str, folder: Path, stderr: int) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-c", JOB, name], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=stderr, text=True,
        )  # fmt: skip

    def seen(self) -> None:
        """Wait until a step has drawn its bar."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "step\n"

    def go(self) -> None:
        """Let it do the step."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def rest(self) -> None:
        """Let it do all that is left."""
        self.process.communicate("\n" * 3)
        assert self.process.returncode == 0


def drawn(screen: str, name: str) -> list[str]:
    """The bars of `name` that were drawn in place: what follows a carriage return."""
    return re.findall(rf"\r{name}: [^\r\n]*", screen)


def read(handle: int) -> str:
    """All that a terminal was given until it was closed."""
    parts = []
    while True:
        try:
            part = os.read(handle, 1 << 16)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


@pytest.fixture
def terminal() -> tuple[int, int]:
    """A terminal: the end that is read, and the one that jobs write to."""
    screen, jobs = pty.openpty()
    settings = termios.tcgetattr(jobs)
    settings[1] &= ~termios.OPOST  # line ends stay as they are written
    termios.tcsetattr(jobs, termios.TCSANOW, settings)
    termios.tcsetwinsize(jobs, (24, 100))
    return screen, jobs


def test_the_bar_of_a_job_that_runs_alone_is_drawn_in_the_terminal(tmp_path: Path, terminal: tuple[int, int]):
    screen, jobs = terminal
    job = Job("alone", tmp_path, jobs)
    job.seen()
    job.rest()
    os.close(jobs)
    shown, log = read(screen), (tmp_path / "alone.log").read_text()
    assert drawn(shown, "alone")
    assert "alone begins\n" in shown
    assert "noise of a library" not in shown
    assert "alone begins\nalone: noise of a library\n" in log
    assert "3/3" in log
    assert "\r" not in log


def test_jobs_beside_each_other_draw_one_bar_and_end_with_a_line_each(tmp_path: Path, terminal: tuple[int, int]):
    screen, jobs = terminal
    first, second = Job("first", tmp_path, jobs), None
    first.seen()
    second = Job("second", tmp_path, jobs)
    second.seen()
    second.rest()
    first.rest()
    os.close(jobs)
    shown = read(screen)
    assert drawn(shown, "first")
    assert not drawn(shown.replace("\r\x1b[K", ""), "second")
    for job in (first, second):
        assert re.search(rf"{job.name}: [^\r\n]*3/3[^\r\n]*\n", shown)
        assert "3/3" in (tmp_path / f"{job.name}.log").read_text()


def test_the_bar_of_the_next_job_is_drawn_when_the_first_has_ended(tmp_path: Path, terminal: tuple[int, int]):
    screen, jobs = terminal
    first = Job("first", tmp_path, jobs)
    first.seen()
    second = Job("second", tmp_path, jobs)
    second.seen()
    first.rest()
    second.go()
    second.seen()
    second.rest()
    os.close(jobs)
    assert drawn(read(screen).replace("\r\x1b[K", ""), "second")


def test_without_a_terminal_there_are_whole_lines_and_no_carriage_return(tmp_path: Path):
    with open(tmp_path / "all.txt", "w") as file:
        job = Job("batch", tmp_path, file.fileno())
        job.seen()
        job.rest()
    told = (tmp_path / "all.txt").read_text()
    assert "\r" not in told
    assert told.splitlines()[0] == "batch begins"
    assert "3/3" in told.splitlines()[-1]


def test_an_error_that_nobody_caught_is_one_line_that_names_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    path = tmp_path / "logs/job.log"
    with pytest.raises(SystemExit) as end, logged(path):
        raise OSError("a disk went away")
    assert end.value.code == 1
    assert capfd.readouterr().err == f"error: OSError: a disk went away | see {path}\n"
    os.write(2, b"after\n")  # stderr is the terminal's again
    assert capfd.readouterr().err == "after\n"


def test_a_stage_that_is_called_by_hand_leaves_everything_in_the_terminal(capfd: pytest.CaptureFixture[str]):
    with logged(None), progress("by hand", 1, "steps") as bar:
        say("a line")
        bar.update()
    told = capfd.readouterr().err
    assert "a line\n" in told
    assert "1/1" in told


CHILD = """
import subprocess, sys
from pathlib import Path
from superficial.artifacts.job_log import logged, terminal_for_child
with logged(Path("parent.log")), terminal_for_child() as screen:
    subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('bar of a child')"], stderr=screen)
"""


@pytest.mark.parametrize("free", [True, False])
def test_a_child_draws_in_the_terminal_while_no_other_job_does(tmp_path: Path, terminal: tuple[int, int], free: bool):
    screen, jobs = terminal
    other = None if free else Job("other", tmp_path, jobs)
    if other:
        other.seen()
    subprocess.run([sys.executable, "-c", CHILD], cwd=tmp_path, stderr=jobs, check=True)
    if other:
        other.rest()
    os.close(jobs)
    assert ("bar of a child" in read(screen)) == free
    assert ("bar of a child" in (tmp_path / "parent.log").read_text()) != free


def test_no_line_moves_the_cursor_or_sets_a_title(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """What a model, a judge or a server wrote is quoted in lines, errors and tracebacks."""
    evil = "\x1b[2J\x1b]0;title\x07\x9b31m\u202e\r"
    with pytest.raises(SystemExit), logged(tmp_path / "job.log"):
        say(f"a judge said {evil}")
        say(f"error: {UserError(evil, where=evil, remedy=evil)}")
        raise ValueError(evil)
    for text in (capfd.readouterr().err, (tmp_path / "job.log").read_text()):
        assert "<U+001B>]0;title<U+0007><U+009B>31m<U+202E>" in text
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)


def test_where_one_process_shows_the_run_a_job_tells_it_what_to_draw(
    tmp_path: Path, terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
):
    """Whole, however narrow its own terminal is."""
    screen, jobs = terminal
    termios.tcsetwinsize(jobs, (24, 12))
    monkeypatch.setenv(TOLD.variable, str(tmp_path / "told"))
    job = Job("quiet", tmp_path, jobs)
    job.seen()
    assert shown(tmp_path / "told", Path("quiet.log")) == ("quiet", "0% (0 of 3)")
    job.go()
    job.seen()
    work, numbers = shown(tmp_path / "told", Path("quiet.log"))
    assert work == "quiet"
    assert re.fullmatch(r"33% \(1 of 3\), \d\d:\d\d left, .* steps.*", numbers)
    job.rest()
    os.close(jobs)
    assert read(screen) == ""
    assert shown(tmp_path / "told", Path("quiet.log")) == ("", "")
    assert (tmp_path / "told" / LINES).read_text() == "quiet begins\n"
    assert "noise of a library\n" in (tmp_path / "quiet.log").read_text()


def test_where_nobody_can_be_told_a_line_is_in_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(TOLD.variable, str(tmp_path / "gone/told"))
    with logged(tmp_path / "job.log"):
        say("error: the disk is full")
    assert capfd.readouterr().err == "error: the disk is full\n"


def test_what_a_child_draws_is_told_and_its_lines_are_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(TOLD.variable, str(tmp_path))
    told = []
    monkeypatch.setattr("superficial.artifacts.job_log.show", lambda folder, log, text: told.append(text))
    draw = r"import os; os.write(2, b'a warning\n\r 10% of it\x1b[A\r 90% of it\r\nan error')"
    with logged(tmp_path / "job.log"), terminal_for_child() as screen:
        subprocess.run([sys.executable, "-c", draw], stderr=screen, check=True)
    assert told == ["\na warning", "\n10% of it", "\n90% of it", ""]
    assert (tmp_path / "job.log").read_text() == "a warning\nan error\n"
