"""A server that this job starts, watches and ends."""

import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import Any

from superficial.artifacts.errors import UserError
from superficial.artifacts.progress import progress
from superficial.config.schema.server import StartedConfig
from superficial.inference.server import cause as causes
from superficial.inference.server import keeper

HOST = "127.0.0.1"
PORTS = 5  # tries: another program may take a port between our look at it and the server's start
POLL_S = 0.25
PATIENCE_S = 10.0  # a server whose engine died answers that for a while, and ends then
SHOWN = 70  # characters of the log beside the bar
NO_PACKAGE = "none"
STRANGER = ["?"]  # what stands for the models of a server that refuses our key


@dataclass(frozen=True)
class Serving:
    """What is served, and how."""

    model: str  # its folder, or its name on the hub
    name: str  # as requests name it
    dtype: str
    length: int  # tokens of the longest sequence
    cards: int  # 0: on the CPU
    environment: Mapping[str, str]  # beside what the configuration says


class StartedServer:
    """Alive from `start` to `close`, or until this process ends; on loopback alone, with a key of its own."""

    def __init__(self, cfg: StartedConfig, serving: Serving, log: Path, who: str) -> None:
        """`log` takes all that the server says; `who` names it in messages."""
        self.serving, self.base_url, self.key = serving, "", ""
        self._cfg, self._log, self._who = cfg, log, who
        self._process: subprocess.Popen[bytes] | None = None
        self._words: list[str] = []
        self._start = 0  # of what this process's server wrote into the log

    def start(self) -> None:
        """Start it, and return when it answers; a UserError says what its log says of the cause."""
        self._log.unlink(missing_ok=True)
        for last in [*[False] * (PORTS - 1), True]:
            port = free_port()
            self._launch(port)
            if self._up(port, last=last):
                return
            self.close()

    def check(self, patience_s: float = PATIENCE_S) -> None:
        """Raise a UserError if it has ended by itself, or does so within `patience_s`."""
        if self._process is None:
            return
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            return
        raise self._ended("the server died under way")

    def close(self) -> None:
        """End it and all that it started."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(keeper.PATIENCE_S + 10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _launch(self, port: int) -> None:
        self.key, self.base_url = secrets.token_hex(24), f"http://{HOST}:{port}/v1"
        told = dict.fromkeys(("host", "port", "key"), "") | vars(self.serving)
        told |= {"python": self._cfg.python, "host": HOST, "port": port, "key": self.key}
        told["cards"] = max(1, self.serving.cards)
        template = self._cfg.command + ("" if self.serving.cards else f" {self._cfg.cpu_arguments}")
        self._words = [word.format(**told) for word in shlex.split(template)]
        own = {name: value.format(**told) for name, value in self._cfg.environment.items()}
        # It finds the files of its own environment, not those of ours.
        outside = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with open(self._log, "ab") as log:
            self._start = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-I", keeper.__file__, *self._words], stdin=subprocess.PIPE, stdout=log, stderr=log,
                env={**outside, **self.serving.environment, **own}, start_new_session=True,
            )  # fmt: skip

    def _up(self, port: int, *, last: bool) -> bool:
        """Whether it is up; False where its port was taken, so that another one is worth a try."""
        assert self._process is not None
        began, step = time.monotonic(), 0
        with progress(f"starting {self._who}", 0, "s") as bar:
            while time.monotonic() - began < self._cfg.start_s:
                if self._process.poll() is not None:
                    if causes.TAKEN.search(self._said()) and not last:
                        return False
                    raise self._ended("the server did not start")
                found = self._names()
                if found is not None:
                    return self._ours(found, last=last)
                bar.set_postfix_str(_last_line(self._said()), refresh=False)
                seconds = int(time.monotonic() - began)
                bar.update(seconds - step)
                step = seconds
                time.sleep(POLL_S)
        said = causes.cause(self._said())
        self.close()
        raise UserError(
            f"the server was not up within engine.start_s={self._cfg.start_s:g}: {said}", where=self._where,
            remedy="raise engine.start_s, or look into its log",
        )  # fmt: skip

    def _ours(self, names: list[str], *, last: bool) -> bool:
        """Whether what answers is the server that was started: it knows our key, and our name of the model."""
        named = "{name}" in self._cfg.command
        if names is not STRANGER and (not named or self.serving.name in names):
            return True
        if last:
            self.close()
            raise UserError(
                f"another server stood on each of {PORTS} ports that were free a moment before", where=self._where,
                remedy="run the same command again",
            )  # fmt: skip
        return False

    def _names(self) -> list[str] | None:
        """The models that the server has; STRANGER: it refuses our key; None: it is not up."""
        request = urllib.request.Request(f"{self.base_url}/models", headers={"Authorization": f"Bearer {self.key}"})
        # Without the proxies of the environment: they would be asked for this machine's own address.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=5) as response:
                return _listed(loads(response.read()))
        except urllib.error.HTTPError as error:
            # Some servers have no such list, or fail over it; 503 says that the model is being loaded.
            return STRANGER if error.code in (401, 403) else [] if error.code in (404, 500) else None
        except (OSError, ValueError):
            return None

    @property
    def _where(self) -> str:
        return f"{self._who}, log {self._log}"

    def _said(self) -> str:
        return causes.tail(self._log, self._start)

    def _ended(self, what: str) -> UserError:
        assert self._process is not None
        code, said = self._process.returncode, self._said()
        why = causes.cause(said)
        if code == 128 + signal.SIGKILL:
            why = f"it was killed (by hand, or by the system for want of memory); its last word: {why}"
        self._process = None
        remedy = causes.remedy(why, self._cfg.python, " ".join(self._words).replace(self.key, "[key]"))
        return UserError(f"{what} (exit code {code}): {why}", where=self._where, remedy=remedy)


def free_port() -> int:
    """A port of this machine on which nobody listens now."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def version(cfg: StartedConfig) -> str:
    """The package that serves, with its version, as the interpreter tells; a UserError where it has none.

    "unknown" where the configuration names no package.
    """
    if not cfg.packages:
        return "unknown"
    code = (
        "import sys, importlib.metadata as found\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        print(name, found.version(name)); break\n"
        "    except found.PackageNotFoundError: pass\n"
        f"else: print({NO_PACKAGE!r})"
    )
    where, remedy = "config, key engine.python", "make vllm installs it; or name an interpreter that has it"
    try:
        command = [cfg.python, "-I", "-c", code, *cfg.packages]
        said = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise UserError(f"cannot run {cfg.python}: {error.strerror}", where=where, remedy=remedy) from None
    except subprocess.TimeoutExpired:
        raise UserError(f"{cfg.python} does not answer", where=where, remedy=remedy) from None
    found = said.stdout.strip()
    if said.returncode or not found:
        raise UserError(f"{cfg.python}: {causes.cause(said.stderr)}", where=where, remedy=remedy)
    if found == NO_PACKAGE:
        raise UserError(f"{cfg.python} has no package {' or '.join(cfg.packages)}", where=where, remedy=remedy)
    return found


def _listed(body: Any) -> list[str]:
    rows = body.get("data", []) if isinstance(body, dict) else []
    return [str(row.get("id")) for row in rows if isinstance(row, dict)]


def _last_line(text: str) -> str:
    lines = text.rstrip().splitlines()
    return lines[-1].strip()[:SHOWN] if lines else ""
