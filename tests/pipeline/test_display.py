"""What a person sees of a run on two cores: in a terminal, and in a file."""

import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from support.project import Project
from support.screen import Screen

from superficial.artifacts.job_log import INTERRUPTED

TARGETS = [
    *(f"results/models/tiny_{name}/manifest.json" for name in ("base", "aligned")),
    "results/responses/tiny/tiny_base/zero_shot.parquet",
    "results/responses/tiny/tiny_aligned/aligned.parquet",
    "figures/dataset_stats",
]
JOBS = {"model tiny_base", "model tiny_aligned", "data", "figures/dataset_stats"} | {
    "generate tiny_base zero_shot", "generate tiny_aligned aligned",
}  # fmt: skip
ENDED = re.compile(r"\[ *\d+ of \d+\] (?P<job>.+), (?:\d+ min )?\d+ s")
RUNS = re.compile(r"(?P<job>.+?): (?:\d+% .*|(?:\d+ min )?\d+ s)")
# A stage that has done 3 of 6 rows, and goes on when a file says so.
WAITING = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from superficial import __main__ as entry
from superficial.artifacts.progress import progress

def run(cfg, runtime, source, out):
    with progress("reading", 6, "rows") as bar:
        bar.update(3)
        bar.refresh()
        while not Path("go").exists():
            time.sleep(0.05)
    out.write_text("done")

entry.STAGES = {"data": SimpleNamespace(config=entry.STAGES["data"].config, run=run)}
sys.exit(entry.main(sys.argv[1:]))
"""


def in_a_terminal(
    project: Project, *words: str, after: Callable[[Screen], object] = lambda screen: None
) -> tuple[int, Screen]:
    """The exit code of a run, and all that stood on the terminal meanwhile; `after` each drawing something is done."""
    screen, ours = Screen(), pty.openpty()
    termios.tcsetwinsize(ours[1], (40, 120))
    run = subprocess.Popen(
        project.command(*words), cwd=project.folder, stdin=ours[1], stdout=ours[1], stderr=ours[1],
        env=os.environ | {"OMP_NUM_THREADS": "2", "TERM": "xterm"}, start_new_session=True,
    )  # fmt: skip
    os.close(ours[1])
    rest = b""
    while True:
        try:
            part = os.read(ours[0], 1 << 16)
        except OSError:  # nobody writes any more
            break
        whole, end, rest = (rest + part).rpartition(b"\n")  # every drawing but the last ends with a line
        screen.write((whole + end).decode().replace("\r\n", "\n"))
        after(screen)
    screen.write(rest.decode())
    os.close(ours[0])
    return run.wait(), screen


def ended(lines: list[str]) -> list[str]:
    """The jobs that have a line which says that they are done."""
    return [found["job"] for line in lines if (found := ENDED.fullmatch(line))]


def last_words(lines: list[str]) -> None:
    """Nothing stands twice, every job ended in a line, and the farewell comes last."""
    assert len(lines) == len(set(lines)), lines
    assert set(ended(lines)) == JOBS
    assert len(ended(lines)) == len(JOBS)
    assert lines[-1].startswith("Done in "), lines


def test_in_a_terminal_jobs_that_run_stand_beneath_each_other_and_nothing_is_left_of_them(project: Project):
    code, screen = in_a_terminal(project, *TARGETS)
    assert code == 0, screen.lines
    last_words(screen.frames[-1])
    running = [[found["job"] for line in frame if (found := RUNS.fullmatch(line))] for frame in screen.frames]
    assert {job for jobs in running for job in jobs} == JOBS
    assert max(map(len, running)) == 2
    assert all(len(frame) == len(set(frame)) for frame in screen.frames)
    assert len(screen.frames[-1]) == len(JOBS) + 3  # Snakemake's profile, what is looked for, and the farewell


def test_the_line_of_a_job_has_its_count_time_left_and_rate(project: Project, tmp_path: Path):
    (tmp_path / "stage.py").write_text(WAITING)
    project.start_stages(f"{sys.executable} {tmp_path}/stage.py")
    told = re.compile(r"data: reading 50% \(3 of 6\), \d\d:\d\d left, .+ rows/s")

    def go_on_when_told(screen: Screen) -> None:
        if any(map(told.fullmatch, screen.frames[-1])):
            (project.folder / "go").touch()

    code, screen = in_a_terminal(project, "results/data/tiny.parquet", after=go_on_when_told)
    assert code == 0, screen.lines


def test_in_a_file_every_line_stands_once_and_in_order(project: Project):
    said = project.run(*TARGETS).stdout
    assert "\r" not in said
    assert "\x1b" not in said
    last_words(said.splitlines())
    assert len(said.splitlines()) == len(JOBS) + 3
    assert list((project.folder / ".snakemake").glob("progress-*")) == []


@pytest.mark.parametrize("terminal", [True, False])
def test_an_error_stands_last_and_once(project: Project, tmp_path: Path, terminal: bool):
    (project.folder / "resources/datasets/tiny.jsonl").write_text("{}\n")
    targets = ["results/data/tiny.parquet"]
    if terminal:
        code, screen = in_a_terminal(project, *targets)
        lines = screen.frames[-1]
    else:
        result = project.run(*targets)
        code, lines = result.returncode, result.stdout.splitlines()
    assert code != 0
    assert [line.split(":")[0] for line in lines[-2:]] == ["failed", "error"]
    assert "resources/datasets/tiny.jsonl" in lines[-1]
    assert len(lines) == len(set(lines)) == 4


def test_a_job_that_is_interrupted_alone_is_stopped(project: Project, tmp_path: Path):
    (tmp_path / "stage.py").write_text(WAITING.replace("time.sleep(0.05)", "raise KeyboardInterrupt"))
    project.start_stages(f"{sys.executable} {tmp_path}/stage.py")
    lines = project.run("results/data/tiny.parquet").stdout.splitlines()
    assert INTERRUPTED in lines
    assert [line.split(",")[0] for line in lines if "see results/logs/" in line] == ["stopped: data"]


def test_snakemake_s_own_output_is_there_for_who_asks(project: Project):
    assert "rule data:" in project.run(*TARGETS, arguments=("--quiet", "host", "--dry-run")).stdout
    assert "Select jobs to execute..." in project.run(TARGETS[0], arguments=("--verbose",)).stdout
    summary = project.run(TARGETS[0], arguments=("--summary",)).stdout
    assert "results/models/tiny_base/manifest.json" in summary
