"""What a job says: all of it stands in its log; lines and progress stand in the terminal, too.

Jobs that run beside each other share a terminal. Where the process that started them draws there, they tell it what to
draw (told.py). Else the job that holds the lock on the terminal draws its bar. The bars of the others are in their
logs, and each ends as one line in the terminal.
"""

import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from contextvars import ContextVar
from pathlib import Path
from typing import TextIO

from superficial.artifacts.disk import disk_errors
from superficial.artifacts.file_locks import lock_file
from superficial.artifacts.markup import visible
from superficial.artifacts.told import TOLD, show, tell

INTERRUPTED = "interrupted: what was finished is kept, the same command goes on from there"  # in the log, it says why
SECONDS = 20.0  # between two lines about the progress of one job
MOVES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # of the cursor, and colours
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
    terminal, told = _TERMINAL.get(), tell(TOLD.made(), line)
    if terminal or not told:  # without a log, stderr is the terminal itself
        print(line, file=sys.stderr, flush=True)
    if terminal and not told:
        _tell(terminal, line)


def _tell(terminal: TextIO, line: str) -> None:
    """Write a whole line; a bar that stands there is drawn again below it."""
    terminal.write(f"{CLEAR if terminal.isatty() else ''}{line}\n")
    terminal.flush()


@contextmanager
def terminal_for_child() -> Iterator[int | None]:
    """For a child process that draws its own bars, as its stderr: the terminal if that is free, else None (the log).

    Where one process shows the whole run, that one gets what the child draws.
    """
    terminal, folder, log = _TERMINAL.get(), TOLD.made(), _LOG.get()
    if folder and log:
        with _followed(folder, log) as pipe:
            yield pipe
        return
    handle = _lock_on(terminal) if terminal and terminal.isatty() else None
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


@contextmanager
def _followed(folder: Path, log: Path) -> Iterator[int]:
    """A pipe: its lines go to the log, and what was written last is shown as the progress of this job."""
    read, write = os.pipe()
    reader = threading.Thread(target=_follow, args=(read, folder, log), daemon=True)
    reader.start()
    try:
        yield write
    finally:
        os.close(write)
        reader.join(SECONDS)  # a child of the child may still hold the pipe
        show(folder, log, "")


def _follow(pipe: int, folder: Path, log: Path) -> None:
    rest = b""
    with open(pipe, "rb", buffering=0) as file:
        while part := file.read(1 << 12):
            *whole, rest = re.split(b"(?<=[\r\n])", rest + part)
            for piece in whole:
                text = MOVES.sub("", piece.decode(errors="backslashreplace")).strip()
                if text and piece.endswith(b"\n"):
                    print(visible(text), file=sys.stderr, flush=True)
                if text:
                    show(folder, log, f"\n{visible(text)}")
    if rest.strip():
        print(visible(rest.decode(errors="backslashreplace").strip()), file=sys.stderr, flush=True)


def _lock_on(terminal: TextIO) -> int | None:
    """The terminal, opened and locked; None where another job draws in it."""
    handle = os.open(os.ttyname(terminal.fileno()), os.O_WRONLY | os.O_NOCTTY)
    if lock_file(handle, wait=False) is not False:
        return handle
    os.close(handle)
    return None


def bar_file() -> "BarFile":
    """The file that one progress bar of this job writes to."""
    terminal, log = _TERMINAL.get(), _LOG.get()
    if terminal is None or log is None:
        return BarFile(sys.stderr, logged=False)
    folder = TOLD.made()
    return ToldBar(terminal, folder, log) if folder else BarFile(terminal, logged=True)


class BarFile:
    """A bar that is drawn on a screen, where no other job draws. Elsewhere, as in a file, its lines are written.

    One that is `logged` stands in the log as well: about three times a minute, and at its end.
    """

    def __init__(self, screen: TextIO, *, logged: bool) -> None:
        self.numbers: Callable[[], str] | None = None  # how far the work is: its name, and numbers on a second line
        self._screen, self._is_logged = screen, logged
        self._lock: int | None = None  # on the screen
        self._bar, self._time = "", time.monotonic()

    @property
    def seconds(self) -> float:
        """How often the bar is to be drawn again."""
        return 0.5 if self._screen.isatty() else SECONDS

    def write(self, text: str) -> None:
        """Take a bar, which begins with a carriage return, or the end of the line, which ends it."""
        if not self._is_logged:
            self._screen.write(text)
        elif text.startswith("\r"):
            self._bar = text.strip()
            self._show(text)
            if time.monotonic() - self._time >= SECONDS - 1:
                self._time = time.monotonic()
                self._log()
        elif text == "\n":
            self._log()
            self._end()

    def flush(self) -> None:
        """Show what was written."""
        self._screen.flush()

    def fileno(self) -> int:
        """Of the terminal: its width is asked for by this number."""
        return self._screen.fileno()

    def _show(self, text: str) -> None:
        if self._screen.isatty():
            self._lock = self._lock or _lock_on(self._screen)
            if self._lock:
                self._screen.write(text)
                self._screen.flush()

    def _log(self) -> None:
        print(self._bar, file=sys.stderr, flush=True)
        if not self._screen.isatty():
            _tell(self._screen, self._bar)

    def _end(self) -> None:
        if self._screen.isatty():
            _tell(self._screen, self._bar)
        if self._lock:
            os.close(self._lock)
            self._lock = None


class ToldBar(BarFile):
    """A bar that is not drawn: the process that shows the whole run gets its numbers."""

    seconds = 0.5

    def __init__(self, screen: TextIO, folder: Path, log: Path) -> None:
        super().__init__(screen, logged=True)
        self._folder, self._path = folder, log

    def _show(self, text: str) -> None:
        if self.numbers:
            show(self._folder, self._path, self.numbers())

    def _log(self) -> None:
        print(self._bar, file=sys.stderr, flush=True)

    def _end(self) -> None:
        show(self._folder, self._path, "")
