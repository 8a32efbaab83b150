"""A store of finished work, keyed by content, that survives a kill at any moment."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from superficial.artifacts.disk import disk_errors, flush, make_folder
from superficial.artifacts.file_locks import lock_file


class Store:
    """Append-only JSONL of (key, value). What was put is on disk when `put` returns; a torn last line is ignored.

    Processes on several machines may write at a time: an append is made under a lock, which keeps it whole on NFS, too.
    On a file system without locks two appends may spoil each other's lines: that work is done again, no more.
    Keys are hashes of everything that decides the value, so an entry never lies and never has to be deleted.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, Any] = {}
        self._named = False  # whether the name of the file is known to be on the disk
        if path.is_file():
            for line in path.read_bytes().split(b"\n"):
                try:
                    entry = json.loads(line)
                    self._values[entry["key"]] = entry["value"]
                except (ValueError, KeyError, TypeError):
                    continue  # torn by a kill; the value is made again

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def values(self) -> Iterable[Any]:
        """All values."""
        return self._values.values()

    def put(self, values: Mapping[str, Any]) -> None:
        """Add entries: one write, then flushed to disk."""
        make_folder(self._path.parent)
        lines = [json.dumps({"key": key, "value": value}, ensure_ascii=False) for key, value in values.items()]
        # The leading newline closes a line that a killed writer may have left open.
        data = ("\n" + "\n".join(lines) + "\n").encode()
        with disk_errors(self._path), open(self._path, "ab") as handle:
            lock_file(handle)
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
            if not self._named:
                flush(self._path.parent)
                self._named = True
        self._values.update(values)
