"""What Snakemake says on a person's own machine: our lines of progress instead of its own (`logger: [superficial]`).

Snakemake finds this package by its name. Whoever wants to see more than progress (`--dry-run`, `--verbose`,
`--printshellcmds`, or a `--quiet` without `rules`) gets Snakemake's own output, and so does a cluster.
"""

import logging
import os
import shutil
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from snakemake.logging import ColorizingTextHandler
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from superficial.artifacts.told import TOLD
from superficial.pipeline.run_display import RunDisplay

SECONDS = 0.5  # between two drawings
# What says nothing to a person who sees our lines; everything else that Snakemake says is shown.
IN_VAIN = (
    "Assuming unrestricted shared filesystem", "Using shell:", "Group jobs: inactive",
    "Select jobs to execute", "Touching output file", "Removing temporary output", "Complete log(s):", "Elapsed time:",
    "Removing output files of failed job", "Shutting down, this might take some time", "DAG of jobs will be updated",
    "Exiting because a job execution failed", "WorkflowError:\nAt least one job did not complete successfully",
)  # fmt: skip
FIRST, FIRST_HERE = "Building DAG of jobs...", "Looking for what has to be made ..."
IN_VAIN_EVENTS = {
    LogEvent.RUN_INFO, LogEvent.WORKFLOW_STARTED, LogEvent.SHELLCMD, LogEvent.JOB_STARTED, LogEvent.GROUP_INFO,
    LogEvent.RESOURCES_INFO, LogEvent.RULEGRAPH, LogEvent.DEBUG_DAG,
}  # fmt: skip
OF_A_JOB = "CalledProcessError"  # told by the job itself, and by the line that it failed


class LogHandler(LogHandlerBase):
    """Takes what Snakemake says, in a thread of its own."""

    def __post_init__(self) -> None:
        """Decide who shows the run."""
        asked = self.common_settings
        self._stream = sys.stdout if asked.stdout else sys.stderr
        self._folder: Path | None = None
        self._display: RunDisplay | None = None
        self._own: logging.Handler | None = None
        self._over = threading.Event()
        self._drawing = threading.RLock()
        more = asked.dryrun or asked.verbose or asked.debug_dag or asked.printshellcmds
        if more or Quietness.RULES not in (asked.quiet or ()):
            self._own = ColorizingTextHandler(nocolor=asked.nocolor, stream=self._stream)
            return
        self._folder = TOLD.announce(Path(".snakemake"))  # from the folder of the run, where jobs start
        self._display = RunDisplay(self._stream, self._folder)
        threading.Thread(target=self._draw, daemon=True).start()

    @property
    def writes_to_stream(self) -> bool:
        """It takes the place of Snakemake's own output."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Snakemake's own log below .snakemake/log stays as it is."""
        return False

    @property
    def has_filter(self) -> bool:
        """Snakemake's own filter would drop the beginnings of jobs."""
        return self._own is None

    @property
    def has_formatter(self) -> bool:
        """Snakemake's own is used for its own output alone."""
        return self._own is None

    @property
    def needs_rulegraph(self) -> bool:
        """A list of jobs is enough."""
        return False

    def setFormatter(self, fmt: logging.Formatter | None) -> None:
        """It is Snakemake's own."""
        super().setFormatter(fmt)
        if self._own:
            self._own.setFormatter(fmt)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record."""
        if self._own:
            self._own.emit(record)
        elif self._display:
            with self._drawing:
                self._safely(lambda: _show(self._display, record))
        elif record.levelno >= logging.WARNING:
            with suppress(OSError, ValueError):
                print(record.getMessage(), file=self._stream)

    def close(self) -> None:
        """The run is over."""
        self._over.set()
        with self._drawing:
            if display := self._display:
                self._safely(display.close)
                self._display = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        super().close()

    def _draw(self) -> None:
        while not self._over.wait(SECONDS):
            with self._drawing:
                if self._display:
                    self._safely(self._display.tick)

    def _safely(self, work: Any) -> None:
        """Do it; a display that breaks is given up, and the run goes on without it."""
        try:
            work()
        except Exception as error:
            self._display = None
            os.environ.pop(TOLD.variable, None)
            with suppress(OSError, ValueError):
                print(f"progress is not shown any more ({type(error).__name__}: {error})", file=self._stream)


def _show(display: Any, record: logging.LogRecord) -> None:
    """Show what a record says."""
    event, said = getattr(record, "event", None), record.__dict__
    if event == LogEvent.JOB_INFO:
        if said["log"]:  # a job without a log only collects files
            display.started(said["jobid"], said["rule_name"], said["wildcards"], Path(said["log"][0]))
    elif event == LogEvent.JOB_FINISHED:
        display.finished(said["job_id"])
    elif event == LogEvent.JOB_ERROR:
        display.failed(said["jobid"])
    elif event == LogEvent.PROGRESS:
        display.counted(said["done"], said["total"])
    elif event in IN_VAIN_EVENTS or (event == LogEvent.ERROR and OF_A_JOB in record.getMessage()):
        return
    elif record.levelno > logging.DEBUG and record.msg and not str(record.msg).startswith(IN_VAIN):
        display.say(FIRST_HERE if record.msg == FIRST else record.getMessage())
