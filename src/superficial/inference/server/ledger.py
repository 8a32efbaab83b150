"""The ledger: what was asked of one model, what it answered and what that cost. Append-only, shared by all processes.

A line is written by one append under a lock. What holds: an answer is on disk before it counts, and from then on its
key is never sent again, by any process. What holds less: a request that was under way when its process was killed is
sent again, even if the server had answered it to the last byte. Only the server could tell that from one that it never
saw; neither a note beforehand, nor streaming, nor a key that servers may ignore helps. So a kill can repeat as many
requests as the process had under way, `concurrency` at most, and what they may have cost stays counted as spent.
"""

import errno
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from superficial.artifacts.disk import disk_errors, flush, make_folder
from superficial.artifacts.file_locks import lock_file
from superficial.artifacts.files import digest
from superficial.config.schema.server import ServerConfig
from superficial.inference.server.claims import claims_on
from superficial.inference.server.reply import ServerRequest


def request_key(server: ServerConfig, request: ServerRequest) -> str:
    """sha256 of everything that decides the answer; where the model is served does not."""
    return digest([server.model, server.revision, request.kind, request.body])


def open_ledger(server: ServerConfig, results: Path) -> "Ledger":
    """The ledger of one model in one state, shared by every stage that asks it."""
    return Ledger(results / ".requests" / f"{digest([server.model, server.revision])[:32]}.jsonl")


class Ledger:
    """JSONL of asked, answered and failed requests. All methods may be called from many threads and processes.

    asked: a request is sent, with the cost set aside for it; it stays open until a line answers or fails it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._claims = claims_on(self.path.with_suffix(".claims"))
        self._guard = threading.RLock()
        self._read_to = 0  # bytes of the file that are in memory
        self._named = False  # whether the name of the file is known to be on the disk
        self._answers: dict[str, dict[str, Any]] = {}
        self._open: dict[str, float] = {}
        self.asked = 0  # requests sent, by anybody and ever
        self.paid_usd = 0.0
        self.tokens = {"prompt": 0, "completion": 0, "characters": 0, "answers": 0}
        self.seconds = 0.0  # of all answers together
        self.learned: set[str] = set()  # parameters that the server does not take
        self.refresh()

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._answers[key]

    def __contains__(self, key: str) -> bool:
        return key in self._answers

    @property
    def spent_usd(self) -> float:
        """Paid, and set aside for requests of which no outcome is known, those of killed processes included."""
        with self._guard:
            return self.paid_usd + sum(self._open.values())

    def claim(self, key: str) -> AbstractContextManager[bool]:
        """The right to ask for `key`, for a block; False when another thread or process has it."""
        return self._claims.claim(key)

    def refresh(self) -> None:
        """Take in what other processes have written."""
        if self.path.is_file():
            with self._locked():
                pass

    def ask(self, key: str, *, usd: float, max_usd: float | None, max_requests: int | None) -> bool:
        """Note that `key` is about to be asked; False, and nothing noted, when that would break a limit."""
        with self._locked() as file:
            if max_requests is not None and self.asked >= max_requests:
                return False
            if max_usd is not None and self.spent_usd + usd > max_usd:
                return False
            self._append(file, {"asked": key, "usd": usd})
        return True

    def answer(self, key: str, body: dict[str, Any], *, usd: float, tokens: dict[str, int], seconds: float) -> None:
        """Store an answer; it is on disk when this returns."""
        line = {"answered": key, "usd": usd, "tokens": tokens, "seconds": round(seconds, 3), "answer": body}
        with self._locked() as file:
            self._append(file, line)
            with disk_errors(self.path):
                os.fsync(file.fileno())
                if not self._named:
                    flush(self.path.parent)
                    self._named = True

    def fail(self, key: str, reason: str, *, billed: bool) -> None:
        """Close an asked request without answer; `billed`: what was set aside counts as paid."""
        with self._locked() as file:
            usd = self._open.get(key, 0.0) if billed else 0.0
            self._append(file, {"failed": key, "usd": usd, "reason": reason})

    def learn(self, parameter: str) -> None:
        """Note a parameter that the server does not take."""
        with self._locked() as file:
            self._append(file, {"learned": parameter, "usd": 0})

    @contextmanager
    def _locked(self) -> Iterator[FileIO]:
        """The file, with no other writer, and read up to its end before and after."""
        make_folder(self.path.parent)
        # Unbuffered: one append is one write.
        with self._guard, open(self.path, "a+b", buffering=0) as file:
            lock_file(file)
            self._take_in(file)
            yield file
            self._take_in(file)

    def _append(self, file: FileIO, line: dict[str, Any]) -> None:
        line["at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        # The leading newline closes a line that a killed writer may have left open.
        data = ("\n" + json.dumps(line, ensure_ascii=False) + "\n").encode(errors="backslashreplace")
        with disk_errors(self.path):
            if file.write(data) != len(data):
                raise OSError(errno.ENOSPC, "an append was cut short")

    def _take_in(self, file: FileIO) -> None:
        file.seek(self._read_to)
        *whole, rest = file.read().split(b"\n")
        for line in whole:
            self._count(line)
        self._read_to = file.tell() - len(rest)
        # Nobody is writing now: a last line without newline is torn, or complete but for the newline.
        if rest and self._count(rest):
            self._read_to = file.tell()

    def _count(self, line: bytes) -> bool:
        try:
            entry = json.loads(line)
            usd = float(entry["usd"])
            if "answered" in entry:
                self._count_answer(entry, usd)
            elif "learned" in entry:
                self.learned.add(entry["learned"])
            elif "failed" in entry:
                self._open.pop(entry["failed"], None)
                self.paid_usd += usd
            else:
                # Asked before and never closed: the process was killed, the server may have charged for it.
                self.paid_usd += self._open.pop(entry["asked"], 0.0)
                self._open[entry["asked"]] = usd
                self.asked += 1
        except (ValueError, KeyError, TypeError):
            return False  # torn by a kill
        return True

    def _count_answer(self, entry: dict[str, Any], usd: float) -> None:
        self._answers[entry["answered"]] = entry["answer"]
        self._open.pop(entry["answered"], None)
        self.paid_usd += usd
        self.seconds += entry["seconds"]
        for name, count in (entry["tokens"] | {"answers": 1}).items():
            self.tokens[name] += count
