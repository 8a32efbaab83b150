"""A line for each job that runs, one for the run, one for each that ended; nothing twice, and errors last."""

import io
import os
import pty
from pathlib import Path

import pytest
from support.screen import Screen

from superficial.artifacts.job_log import INTERRUPTED
from superficial.artifacts.told import show, tell
from superficial.pipeline.run_display import RunDisplay


class Terminal(Screen, io.StringIO):  # type: ignore[misc]
    """A screen that a display takes for a terminal; it has no number, so that it is as wide as COLUMNS says."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError

    def flush(self) -> None:
        pass


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("COLUMNS", "100"), ("LINES", "30"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SUPERFICIAL_ERRORS", raising=False)


def a_run(stream: io.StringIO, folder: Path) -> RunDisplay:
    """Two jobs beside each other and one that only collects; the first tells a line twice, and ends."""
    clock = Clock()
    display = RunDisplay(stream, folder, clock)
    display.tick()
    display.started(1, "generate", {"dataset": "demo", "model": "gemma", "method": "urial"}, folder / "1.log")
    display.started(2, "prefill", {"pair": "gemma"}, folder / "2.log")
    display.counted(1, 9)
    show(folder, folder / "1.log", "generating (gemma)\n50% (3 of 6), 00:08 left, 2.1 responses/s")
    show(folder, folder / "2.log", "generating (gemma)\n10% (1 of 9), 00:20 left, 1.0 responses/s")
    tell(folder, "the base has no end of turn")
    tell(folder, "the base has no end of turn")
    clock.now = 65
    display.tick()
    display.finished(1)
    display.counted(2, 9)
    return display


def test_in_a_terminal_what_runs_stands_at_the_bottom_a_line_each(tmp_path: Path):
    terminal = Terminal()
    display = a_run(terminal, tmp_path)
    assert [
        "the base has no end of turn",
        "generate gemma urial: 50% (3 of 6), 00:08 left, 2.1 responses/s",
        "prefill gemma: generating (gemma) 10% (1 of 9), 00:20 left, 1.0 responses/s",
        "1 of 9 jobs done, 1 min 5 s",
    ] in terminal.frames
    assert terminal.frames[-1] == [
        "the base has no end of turn",
        "[2 of 9] generate gemma urial, 1 min 5 s",
        "prefill gemma: generating (gemma) 10% (1 of 9), 00:20 left, 1.0 responses/s",
        "2 of 9 jobs done, 1 min 5 s",
    ]
    (tmp_path / "2.log").touch()
    display.failed(2)
    display.close()
    assert terminal.frames[-1] == [
        "the base has no end of turn",
        "[2 of 9] generate gemma urial, 1 min 5 s",
        f"failed: prefill gemma, 1 min 5 s, see {tmp_path / '2.log'}",
    ]
    assert all(len(frame) == len(set(frame)) for frame in terminal.frames)


def test_without_a_terminal_every_line_is_written_once(tmp_path: Path):
    """What takes longer than a minute is told meanwhile."""
    file = io.StringIO()
    a_run(file, tmp_path).close()
    assert file.getvalue().splitlines() == [
        "the base has no end of turn",
        "generate gemma urial: 50% (3 of 6), 00:08 left, 2.1 responses/s",
        "prefill gemma: generating (gemma) 10% (1 of 9), 00:20 left, 1.0 responses/s",
        "[2 of 9] generate gemma urial, 1 min 5 s",
    ]


def test_an_error_is_shown_at_once_in_a_terminal_and_stands_last_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Those that the end of the workflow repeats are not written by the display."""
    monkeypatch.setenv("SUPERFICIAL_ERRORS", str(tmp_path))
    (tmp_path / "all.txt").write_text("error: repeated by the workflow\n")
    terminal = Terminal()
    display = RunDisplay(terminal, tmp_path, Clock())
    display.started(1, "judge", {}, tmp_path / "1.log")
    display.started(2, "score", {}, tmp_path / "2.log")
    for line in ("error: repeated by the workflow", "error: a disk went away | see 1.log"):
        tell(tmp_path, line)
    (tmp_path / "1.log").touch()
    display.failed(1)
    assert terminal.frames[-1][-3:-1] == ["error: repeated by the workflow", "error: a disk went away | see 1.log"]
    display.finished(2)
    display.counted(1, 2)
    display.close()
    assert terminal.frames[-1] == [
        f"failed: judge, 0 s, see {tmp_path / '1.log'}", "[1 of 2] score, 0 s", "error: a disk went away | see 1.log",
    ]  # fmt: skip


def test_no_line_of_what_runs_is_wider_than_the_terminal_and_they_fit_its_height(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "8")
    terminal = Terminal()
    display = RunDisplay(terminal, tmp_path, Clock())
    for number in range(30):
        display.started(number, f"a_rule_with_a_long_name_{number}", {}, Path(f"{number}.log"))
    assert max(map(len, terminal.frames[-1])) == 19
    assert len(terminal.frames[-1]) < 8
    assert "... and 25 more" in terminal.frames[-1]


def test_what_a_person_stopped_did_not_fail(tmp_path: Path):
    """And what failed beside it was not stopped: each log says what became of its job, if it was opened in this run."""
    file = io.StringIO()
    display = RunDisplay(file, tmp_path, Clock())
    logs = {1: tmp_path / "1.log", 2: tmp_path / "2.log", 3: tmp_path / "never written.log", 4: tmp_path / "old.log"}
    logs[4].write_text("error: of an earlier run\n")
    os.utime(logs[4], (1e9, 1e9))
    for number, log in logs.items():
        display.started(number, "judge", {}, log)
    logs[1].write_text(f"judging 10%\n{INTERRUPTED}\n")
    logs[2].write_text("error: a disk went away\n")
    tell(tmp_path, INTERRUPTED)
    for number in logs:
        display.failed(number)
    display.close()
    assert file.getvalue().splitlines() == [
        INTERRUPTED, *(f"{how}: judge, 0 s, see {logs[n]}" for n, how in enumerate(("stopped", "failed"), 1)),
        *["ended before its work began: judge, 0 s"] * 2,
    ]  # fmt: skip


def test_before_the_first_job_nothing_is_drawn(tmp_path: Path):
    """Snakemake prints itself then, as with --summary, and no line of it may be overwritten."""
    terminal = Terminal()
    display = RunDisplay(terminal, tmp_path, Clock())
    display.tick()
    display.close()
    assert terminal.frames == []


def test_a_terminal_that_does_not_know_its_size_shows_whole_lines(tmp_path: Path):
    ours, theirs = pty.openpty()
    with open(theirs, "w") as terminal:
        RunDisplay(terminal, tmp_path, Clock()).started(1, "judge", {"judge": "smollm2"}, tmp_path / "1.log")
        assert os.read(ours, 1000) == b"judge smollm2: 0 s\r\n0 s\r\n"
    os.close(ours)


def test_what_jobs_tell_moves_no_cursor(tmp_path: Path):
    terminal = Terminal()
    display = RunDisplay(terminal, tmp_path, Clock())
    display.started(1, "judge", {}, tmp_path / "1.log")
    show(tmp_path, tmp_path / "1.log", "judging\n\x1b[2A\x1b[2J")
    tell(tmp_path, "said \x1b[2A\r")
    display.tick()
    assert "<U+001B>[2A" in terminal.frames[-1][0]
    assert "<U+001B>[2A" in terminal.frames[-1][1]
