"""Jobs that ask a server and are killed with -9; whether any of them asked for what was stored already."""

import json
import os
import random
import sys
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from support.faulty import Faulty
from support.forks import CONTEXT

from superficial.config.schema.server import ServerConfig
from superficial.inference.server import ledger as ledger_module
from superficial.inference.server.client import ask
from superficial.inference.server.ledger import Ledger, request_key
from superficial.inference.server.reply import Reply, ServerRequest


def start(
    cfg: ServerConfig, path: Path, requests: list[ServerRequest], *, die_storing: bool = False
) -> ForkServerProcess:
    """A process that asks `requests`; `die_storing`: kill -9 hits it between its first answer and the ledger."""
    process = CONTEXT.Process(target=_job, args=(cfg, path, requests, die_storing))
    process.start()
    return process


def _job(cfg: ServerConfig, path: Path, requests: list[ServerRequest], die_storing: bool) -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if die_storing:
        ledger_module.Ledger.answer = lambda *_, **__: os.kill(os.getpid(), 9)  # type: ignore[method-assign]
    replies = ask(requests, cfg, Ledger(path), who="job")
    sys.exit(0 if all(isinstance(reply, Reply) for reply in replies.values()) else 3)


class Watch:
    """Looks into the ledger whenever a request comes in: was this very request answered and stored already?"""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cfg: ServerConfig | None = None
        self.asked_though_stored: list[str] = []

    def __call__(self, path: str, body: dict[str, Any]) -> None:
        assert self.cfg is not None
        key = request_key(self.cfg, ServerRequest("", body))
        if self.path.is_file() and f'"answered": "{key}"' in self.path.read_text(errors="replace"):
            self.asked_though_stored.append(key)


def kill_often(
    cfg: ServerConfig, path: Path, requests: list[ServerRequest], server: Faulty, *, times: int, seed: int, stride: int
) -> int:
    """Start the same job over and over, each time killed at a random moment; returns how many kills hit a live one.

    `stride`: a job gets at most so many requests further, plus those that it has under way.
    """
    chance, hits = random.Random(seed), 0
    for _ in range(times):
        seen = sum(server.asked.values())
        process = start(cfg, path, requests)
        # So many requests further, or early on; then at any moment of a request's life.
        goal, patience = chance.choice(range(stride)), time.monotonic() + 20
        while sum(server.asked.values()) < seen + goal and process.is_alive() and time.monotonic() < patience:
            time.sleep(0.001)
        time.sleep(chance.uniform(0.0, 0.03))
        process.kill()
        process.join()
        hits += process.exitcode == -9
    return hits


def answers_in(path: Path) -> dict[str, Any]:
    """Choices by key, as the ledger's lines hold them; fails when a key was answered twice."""
    found: dict[str, Any] = {}
    for line in path.read_bytes().split(b"\n"):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if "answered" in entry:
            assert entry["answered"] not in found
            found[entry["answered"]] = entry["answer"]["choices"]
    return found
