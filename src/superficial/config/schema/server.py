"""OpenAI-compatible servers, and the engines that answer instructions."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from superficial.config.schema.base import Name, Strict

Positive = Annotated[float, Field(gt=0)]


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
    penalty_field: Literal["repetition_penalty", "frequency_penalty"] = Field(
        default="repetition_penalty",
        description="field for transformers' repetition penalty: vLLM and SGLang name it so,"
        " transformers serve takes penalty - 1 as frequency_penalty",
    )
    models: dict[Name, ServedModel] = Field(default={}, description="by our model name, where a run has several")

    def serving(self, name: str) -> "ServerEngine":
        """The engine as model `name` of the run is reached."""
        changed = self.models.get(name, ServedModel()).model_dump(exclude_none=True)
        return ServerEngine.model_validate(self.model_dump() | changed | {"models": {}})


class ModuleEngine(Strict):
    """An engine that a module of its own brings: `open_engine(options, model, greedy, results)` there returns it."""

    kind: Literal["module"]
    module: Name = Field(description="a file of src/superficial/inference/engines/, without .py")
    options: dict[str, Any] = Field(default={}, description="handed to the module; they decide its answers")


EngineConfig = Annotated[TransformersEngine | ServerEngine | ModuleEngine, Field(discriminator="kind")]
