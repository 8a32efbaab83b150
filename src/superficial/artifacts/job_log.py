"""What a job says: all of it stands in its log; lines, and one progress bar at a time, stand in the terminal, too.

Jobs that run beside each other share a terminal. The one that holds the lock on it draws its bar there. The bars of the
others are in their logs, and each ends as one line in the terminal.
"""

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from contextvars import ContextVar
from pathlib import Path
from typing import TextIO

from superficial.artifacts.disk import disk_errors
from superficial.artifacts.file_locks import lock_file
from superficial.artifacts.markup import visible

SECONDS = 20.0  # between two lines about the progress of one job
CLEAR = "\r\x1b[K"  # to the start of the line, which is emptied
_TERMINAL: ContextVar[TextIO | None] = ContextVar("terminal", default=None)  # of a job that has a log
_LOG: ContextVar[Path | None] = ContextVar("log", default=None)


@contextmanager
def logged(path: Path | None, *, debug: bool = False) -> Iterator[None]:
    """Send all that this process and its children write to stderr to `path`; without one, leave it in the terminal.

    An error that was not caught is one line in the terminal; the log says where it came from, and with `debug` the
    terminal does, too.
    """
    if path is None:
        yield
        return
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    sys.stderr.flush()
    terminal = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
    token, name = _TERMINAL.set(terminal), _LOG.set(path)
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace", buffering=1) as log, redirect_stderr(log):
            os.dup2(log.fileno(), 2)  # what libraries and children write
            try:
                yield
            except Exception as error:
                print(visible(traceback.format_exc()), file=sys.stderr, end="")
                if debug:
                    _tell(terminal, traceback.format_exc().rstrip())
                say(f"{crash(error)} | see {path}")
                raise SystemExit(1) from error
    finally:
        os.dup2(terminal.fileno(), 2)
        _TERMINAL.reset(token)
        _LOG.reset(name)
        terminal.close()


def log_beside(name: str, otherwise: Path) -> Path:
    """A file for what a child of this job says: `name` stands in it, beside the job's log; or the one given."""
    log = _LOG.get()
    return otherwise if log is None else log.with_suffix(f".{name}.log")


def crash(error: Exception) -> str:
    """One line about an error that nobody expected."""
    return f"error: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def say(line: str) -> None:
    """Tell a person one line: on stderr, and where that is a log, in the terminal as well."""
    line = visible(line)  # it may quote a model, a server or a file
    print(line, file=sys.stderr, flush=True)
    if terminal := _TERMINAL.get():
        _tell(terminal, line)


def _tell(terminal: TextIO, line: str) -> None:
    """Write a whole line; a bar that stands there is drawn again below it."""
    terminal.write(f"{CLEAR if terminal.isatty() else ''}{line}\n")
    terminal.flush()


@contextmanager
def terminal_for_child() -> Iterator[int | None]:
    """For a child process that draws its own bars, as its stderr: the terminal if that is free, else None (the log)."""
    terminal = _TERMINAL.get()
    handle = _lock_on(terminal) if terminal and terminal.isatty() else None
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


def _lock_on(terminal: TextIO) -> int | None:
    """The terminal, opened and locked; None where another job draws in it."""
    handle = os.open(os.ttyname(terminal.fileno()), os.O_WRONLY | os.O_NOCTTY)
    if lock_file(handle, wait=False) is not False:
        return handle
    os.close(handle)
    return None


class BarFile:
    """The file that one progress bar writes to. Without a log, that is stderr."""

    def __init__(self) -> None:
        self._terminal = _TERMINAL.get()
        self._lock: int | None = None  # on the terminal
        self._bar, self._told = "", time.monotonic()

    @property
    def seconds(self) -> float:
        """How often the bar is to be drawn again."""
        return 0.5 if (self._terminal or sys.stderr).isatty() else SECONDS

    def write(self, text: str) -> None:
        """Take a bar, which begins with a carriage return, or the end of the line, which ends it."""
        if self._terminal is None:
            sys.stderr.write(text)
        elif text.startswith("\r"):
            self._draw(self._terminal, text)
        elif text == "\n":
            self._end(self._terminal)

    def _draw(self, terminal: TextIO, text: str) -> None:
        self._bar = text.strip()
        if terminal.isatty():
            self._lock = self._lock or _lock_on(terminal)
            if self._lock:
                terminal.write(text)
                terminal.flush()
        if time.monotonic() - self._told >= SECONDS - 1:
            self._told = time.monotonic()
            print(self._bar, file=sys.stderr, flush=True)
            if not terminal.isatty():
                _tell(terminal, self._bar)

    def _end(self, terminal: TextIO) -> None:
        print(self._bar, file=sys.stderr, flush=True)
        _tell(terminal, self._bar)
        if self._lock:
            os.close(self._lock)
            self._lock = None

    def flush(self) -> None:
        """Show what was written."""
        (self._terminal or sys.stderr).flush()

    def fileno(self) -> int:
        """Of the terminal: its width is asked for by this number."""
        return (self._terminal or sys.stderr).fileno()
