"""Keeps a server that a job started: when the job ends, however it ends, nothing of the server is left.

It is run as a file, with the server's command as its arguments, and needs nothing but the standard library. Its
standard input is a pipe that the job holds open: a job that is killed outright closes it, too. A server may have
started processes of its own (vLLM starts three), and those outlive it when it alone is killed; so the whole group is
ended, and what left the group is found, because on Linux orphans become children of this process.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

PATIENCE_S = 5.0  # between the wish to end and the end
POLL_S = 1.0  # between looks at whether the job is still there
SET_DEATH_SIGNAL, SET_SUBREAPER = 1, 36  # of Linux's prctl


def main(command: list[str]) -> int:
    """Run `command` as long as the job lives; returns its exit code."""
    job = os.getppid()
    _prctl(SET_SUBREAPER, 1)
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True,
        preexec_fn=lambda: _prctl(SET_DEATH_SIGNAL, signal.SIGKILL),
    )  # fmt: skip
    over = threading.Event()
    for wanted in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(wanted, lambda *_: over.set())
    threading.Thread(target=_watch, args=(job, over), daemon=True).start()
    while server.poll() is None and not over.is_set():
        over.wait(0.05)
    end_group(server)
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


def _watch(job: int, over: threading.Event) -> None:
    """Set `over` when the pipe is closed, or when this process has another parent."""
    while os.getppid() == job:
        readable, _, _ = select.select([0], [], [], POLL_S)
        if readable and not os.read(0, 64):
            break
    over.set()


def end_group(server: "subprocess.Popen[bytes]") -> None:
    """End the server and all that it started."""
    _signal(server.pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_S
    while server.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    _signal(server.pid, signal.SIGKILL)
    server.wait()
    while left := _children():
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except OSError:
                continue


def _signal(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except OSError:  # nobody is left in it
        return


def _children() -> list[int]:
    """Processes whose parent is this one; none where the system does not tell."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
        except (OSError, IndexError):
            continue
        if int(parent) == os.getpid():
            found.append(int(stat.parent.name))
    return found


def _prctl(what: int, value: int) -> None:
    """Linux alone has it; elsewhere the pipe has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(what, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
