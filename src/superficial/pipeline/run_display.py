"""What a person sees of a run: a line for each job that runs, one for the whole run, and one for each that ended.

In a terminal the lines of what runs stand at the bottom and are drawn again and again. Elsewhere, as in a file, every
line is written once, and what takes long is told once a minute.
"""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from superficial.artifacts.job_log import INTERRUPTED
from superficial.artifacts.markup import visible
from superficial.artifacts.told import LINES, shown
from superficial.pipeline.farewell import duration
from superficial.pipeline.job_errors import ALL, ERRORS

MINUTE = 60.0  # seconds between two lines about one job where there is no terminal
UNNAMED = ("dataset", "key")  # wildcards that tell a person nothing


@dataclass
class RunningJob:
    """A job that has begun."""

    rule: str
    wildcards: Mapping[str, str]
    log: Path
    started: float
    told: float  # when a line without a terminal was last written

    @property
    def name(self) -> str:
        """What it does, and for what.

        >>> RunningJob("generate", {"dataset": "demo", "model": "gemma", "method": "urial"}, Path("log"), 0, 0).name
        'generate gemma urial'
        """
        return " ".join([self.rule, *(value for key, value in self.wildcards.items() if key not in UNNAMED)])


class RunDisplay:
    """Shows a run on `stream`; jobs tell what they do in `folder`. All times come from `clock`."""

    def __init__(self, stream: TextIO, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._folder, self._clock = stream, folder, clock
        self._terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._begun, self._begun_at = clock(), time.time() - 1  # clocks of disks lag behind a little
        self._jobs: dict[int, RunningJob] = {}
        self._ended: list[str] = []  # jobs that are done, until it is known how many are
        self._count = ""
        self._read = 0  # bytes of what jobs have told
        self._said: set[str] = set()
        self._errors: dict[str, None] = {}
        self._bottom: list[str] = []  # lines of what runs, as they stand there

    def started(self, number: int, rule: str, wildcards: Mapping[str, str], log: Path) -> None:
        """A job begins."""
        now = self._clock()
        self._jobs[number] = RunningJob(rule, wildcards, log, now, now)
        self.tick()

    def finished(self, number: int) -> None:
        """A job has done its work."""
        if job := self._jobs.pop(number, None):
            self._ended.append(f"{job.name}, {self._took(job)}")

    def failed(self, number: int) -> None:
        """A job has ended without its results."""
        if not (job := self._jobs.pop(number, None)):
            return
        if not _written_since(self._begun_at, job.log):  # Python was still starting, as when a person stops the run
            self.say(f"ended before its work began: {job.name}, {self._took(job)}")
            return
        how = "stopped" if _interrupted(job.log) else "failed"
        self.say(f"{how}: {job.name}, {self._took(job)}, see {job.log}")

    def counted(self, done: int, total: int) -> None:
        """So many of all jobs are done."""
        self._count, width = f"{done} of {total} jobs done", len(str(total))
        self.say("".join(f"[{done:{width}} of {total}] {job}\n" for job in self._ended))
        self._ended = []

    def say(self, text: str) -> None:
        """Write a text above the lines of what runs, after all that jobs have told before."""
        self._write([*self._from_jobs(), *text.splitlines()])

    def tick(self) -> None:
        """Show what has changed; called twice a second."""
        lines = self._from_jobs()
        if lines or self._terminal:
            self._write(lines)
        if not self._terminal:
            self._write([line for job in self._jobs.values() if (line := self._minute(job))])

    def close(self) -> None:
        """Nothing runs any more. Errors come last; those that the end of the run repeats are left to it."""
        self._jobs, self._count = {}, ""
        lines = self._from_jobs()
        repeated: list[str] = []
        if folder := ERRORS.announced():
            with suppress(OSError):
                repeated = (folder / ALL).read_text(encoding="utf-8").splitlines()
        self._write([*lines, *(error for error in self._errors if error not in repeated)])

    def _from_jobs(self) -> list[str]:
        """What jobs have said since, each line once; errors are kept for the end, where a person looks for them."""
        try:
            with open(self._folder / LINES, "rb") as file:
                file.seek(self._read)
                whole, _, _ = file.read().rpartition(b"\n")
        except OSError:
            return []
        self._read += len(whole) + 1 if whole else 0
        lines = []
        for line in whole.decode("utf-8", errors="replace").splitlines():
            if line.startswith("error: "):
                self._errors[line] = None
            elif line not in self._said:
                self._said.add(line)
                lines.append(line)
        return lines

    def _took(self, job: RunningJob) -> str:
        return duration(self._clock() - job.started)

    def _minute(self, job: RunningJob) -> str:
        """What is told of a job once a minute, if it tells anything."""
        if self._clock() - job.told < MINUTE or not shown(self._folder, job.log)[1]:
            return ""
        job.told = self._clock()
        return self._row(job)

    def _row(self, job: RunningJob) -> str:
        """The line of a job that runs."""
        work, numbers = shown(self._folder, job.log)
        if not numbers:
            return f"{job.name}: {self._took(job)}"
        return f"{job.name}: {numbers if job.rule.startswith(work[:4]) else f'{work} {numbers}'}"

    def _running(self) -> list[str]:
        """The lines of what runs, of errors that are known already, and of the whole run."""
        rows = [self._row(job) for job in self._jobs.values()]
        if not rows and not self._count:  # what Snakemake prints itself, as with --summary, must stay as it is
            return []
        width, height = shutil.get_terminal_size()
        with suppress(OSError, ValueError):
            found = os.get_terminal_size(self._stream.fileno())
            width, height = found.columns or width, found.lines or height  # some terminals do not know their size
        room = max(height - 3 - len(self._errors), 1)
        if len(rows) > room:
            rows = [*rows[:room], f"... and {len(rows) - room} more"]
        whole = ", ".join(filter(None, [self._count, duration(self._clock() - self._begun)]))
        return [visible(row)[: max(width - 1, 1)] for row in [*rows, *self._errors, whole]]

    def _write(self, lines: list[str]) -> None:
        """Write lines; in a terminal the lines of what runs follow, in the place of those that stand there."""
        running = self._running() if self._terminal else []
        if not lines and running == self._bottom:
            return
        up = f"\x1b[{len(self._bottom)}A\r\x1b[J" if self._bottom else ""
        self._bottom = running
        self._stream.write(up + "".join(f"{line}\n" for line in [*map(visible, lines), *running]))
        self._stream.flush()


def _written_since(moment: float, log: Path) -> bool:
    """Whether `log` was opened since `moment`, in seconds of `time.time`: a log of an earlier run may lie there."""
    with suppress(OSError):
        return log.stat().st_mtime >= moment
    return False


def _interrupted(log: Path) -> bool:
    """Whether a person stopped the job with this log."""
    with suppress(OSError):
        return INTERRUPTED in log.read_text(encoding="utf-8", errors="replace").splitlines()
    return False
