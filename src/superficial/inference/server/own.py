"""A server of this job for one model of the run: started when it is first needed, ended with this process."""

import atexit
import os
from pathlib import Path

import torch

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import digest
from superficial.artifacts.job_log import log_beside
from superficial.config.schema.server import ServerEngine, StartedConfig
from superficial.inference.server.started import Serving, StartedServer, version
from superficial.models.load import LoadedModel

KEY = "SUPERFICIAL_SERVER_KEY"  # variable of this process
NOWHERE = "http://127.0.0.1:9/v1"  # until the server is up
STEP = 512  # lengths are rounded up to this many tokens
SEEN = "CUDA_VISIBLE_DEVICES"
INVARIANT_FROM = (9, 0)  # cards whose kernels can be told to let no row change another's numbers


class OwnServer:
    """What decides its answers is in `config.revision`: the model's content, dtype, engine, version and command.

    With another one of them the ledger is another one, and everything is asked again.
    """

    def __init__(self, cfg: StartedConfig, loaded: LoadedModel, model: Path, results: Path, device: str) -> None:
        """`model` is the manifest of `loaded`, whose weights are not read; `device` is the run's."""
        self._cfg, self.loaded, self._folder = cfg, loaded, str(model.parent.resolve())
        self._cards, self._environment = cards_for(loaded, device)
        self.version, self.invariant = version(cfg), batch_invariant(loaded)
        self.who = f"{self.version if cfg.packages else cfg.command.split()[0]} ({loaded.manifest['name']})"
        decides = [self.version, loaded.key, self.invariant, cfg.command, cfg.cpu_arguments, cfg.penalty_field]
        self.config = ServerEngine(
            kind="openai_server", base_url=NOWHERE, revision=digest(decides)[:32], api_key_env=KEY, retries=1,
            model=loaded.manifest["name"] if "{name}" in cfg.command else self._folder,
            concurrency=cfg.concurrency, timeout_s=cfg.timeout_s, penalty_field=cfg.penalty_field,
        )  # fmt: skip
        self._log = log_beside("server", results / f"logs/server-{os.getpid()}.log")
        self.started: StartedServer | None = None
        self.longest = 0  # tokens of the longest sequence that is known to come
        atexit.register(self.close)

    @property
    def dtype(self) -> str:
        """What it computes in, such as float32."""
        return str(self.loaded.dtype).removeprefix("torch.")

    def reach(self, tokens: int) -> ServerEngine:
        """The server, started if it is not up, or again if it was started for sequences of fewer `tokens`."""
        if self.started is not None and self.started.serving.length < min(tokens, self.loaded.max_length):
            self.close()
        if self.started is None:
            length = min(-(-(max(tokens, self.longest) + 1) // STEP) * STEP, self.loaded.max_length)
            environment = self._environment | ({"VLLM_BATCH_INVARIANT": "1"} if self.invariant else {})
            serving = Serving(self._folder, self.config.model, self.dtype, length, self._cards, environment)
            started = StartedServer(self._cfg, serving, self._log, self.who)
            started.start()
            self.started = started
        os.environ[KEY] = self.started.key
        return self.config.model_copy(update={"base_url": self.started.base_url})

    def check(self) -> None:
        """Raise a UserError with the cause if the server ended by itself. Called where an answer is missing."""
        if self.started is not None:
            try:
                self.started.check()
            except UserError:
                self.started = None
                raise

    def close(self) -> None:
        """End the server."""
        if self.started is not None:
            self.started.close()
            self.started = None


def batch_invariant(loaded: LoadedModel) -> bool:
    """Whether vLLM can be told to compute a row the same whatever stands beside it: on cards from Hopper on."""
    return loaded.device.type == "cuda" and torch.cuda.get_device_capability(loaded.device) >= INVARIANT_FROM


def cards_for(loaded: LoadedModel, device: str) -> tuple[int, dict[str, str]]:
    """How many cards share each layer, and the variables that say which; 0: the server runs on the CPU.

    "auto" takes of all that this job sees the most that divide the heads of keys and values.
    """
    if loaded.device.type != "cuda":
        return 0, {}
    if device == "auto":
        heads = loaded.footprint.kv_heads if loaded.footprint else 1
        return max(count for count in range(1, torch.cuda.device_count() + 1) if heads % count == 0), {}
    seen = os.environ.get(SEEN, ",".join(map(str, range(torch.cuda.device_count())))).split(",")
    return 1, {SEEN: seen[loaded.device.index or 0]}
