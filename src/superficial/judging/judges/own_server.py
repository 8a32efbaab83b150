"""A judge whose server this job starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from superficial.artifacts.errors import UserError
from superficial.config.schema.judge import AskedStarted
from superficial.config.schema.server import StartedConfig
from superficial.inference.server.client import ask
from superficial.inference.server.ledger import open_ledger, request_key
from superficial.inference.server.own import OwnServer
from superficial.inference.server.reply import Failure, Reply, ServerRequest
from superficial.judging.judges.served import SPARE, ServedJudge
from superficial.models.load import load_model


class OwnServerJudge(ServedJudge):
    """Asks as any served judge; the server is started when the first judgment is missing."""

    def __init__(self, cfg: AskedStarted, how: StartedConfig, model: Path, device: str, results: Path) -> None:
        """`model` is the manifest of the judge's model."""
        self._own, self._length = OwnServer(how, load_model(model, device), model, results, device), cfg.length
        super().__init__(cfg, self._own.config, open_ledger(self._own.config, results))

    def _asked(self, bodies: Mapping[str, dict[str, Any]]) -> dict[str, Reply | Failure]:
        requests = [ServerRequest(name, body, spare=SPARE) for name, body in bodies.items()]
        server = self._own.config
        self._ledger.refresh()
        if any(request_key(server, request) not in self._ledger for request in requests):
            server = self._own.reach(self._length)
        try:
            found = ask(requests, server, self._ledger, who=f"judge {self._cfg.name}") if requests else {}
        except UserError:
            self._own.check()
            raise
        if any(isinstance(reply, Failure) for reply in found.values()):
            self._own.check()
        return found
