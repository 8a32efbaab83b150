"""Claims: at most one process asks for a key at a time, and a dead process holds none.

A claim is a lock on one byte of a file that stays empty: the byte's offset comes from the key. The system drops such a
lock with the process that holds it, so that kill -9 leaves nothing to clean up. Two keys that share one of 2^62 offsets
would only wait for each other. On a file system without locks a claim holds within this process alone: two processes
may ask the same.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from superficial.artifacts.file_locks import UNKNOWN


class Claims:
    """The claims of this process on one file; make it with `claims_on`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Never closed: closing any descriptor of a file drops all record locks that the process has on it.
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._held: set[int] = set()
        self._guard = threading.Lock()

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Hold `key`, a hash in hexadecimal, for the block; yields False, without waiting, when it is held already."""
        place = int(key[:16], 16) >> 2
        mine = self._take(place)
        try:
            yield mine
        finally:
            if mine:
                with self._guard:
                    self._lock(fcntl.LOCK_UN, place)
                    self._held.discard(place)

    def _take(self, place: int) -> bool:
        with self._guard:
            # Record locks belong to a process: its threads need the set.
            if place in self._held:
                return False
            with suppress(BlockingIOError, PermissionError):
                self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB, place)
                self._held.add(place)
                return True
        return False

    def _lock(self, kind: int, place: int) -> None:
        try:
            fcntl.lockf(self._file, kind, 1, place)
        except OSError as error:
            if error.errno not in UNKNOWN:
                raise


@cache
def claims_on(path: Path) -> Claims:
    """The one `Claims` that this process has on the (resolved) `path`."""
    return Claims(path)
