"""Settings of speed and memory. In half precision they may also decide what rounding decides."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from superficial.config.schema.base import Name, Strict
from superficial.config.schema.server import EngineConfig, ServerConfig, StartedConfig, TransformersEngine


def _size(value: Any) -> Any:
    if value != "auto" and (not isinstance(value, int) or value < 1):
        raise ValueError("a whole number from 1 on, or auto, is needed")
    return value


def _card(value: Any) -> Any:
    if value != "auto" and (not isinstance(value, int | float) or value <= 0):
        raise ValueError("a number of GB above 0, or auto, is needed")
    return value


Size = Annotated[int | Literal["auto"], BeforeValidator(_size)]  # auto: 40, 1024 and 256 on a CPU; what fits on a card


class RuntimeConfig(Strict):
    """What decides speed and memory, and no result in float32: it is read by stages, and changing it reruns nothing."""

    device: str = Field(description="auto, cpu, cuda, cuda:1, mps")
    generate_batch: Size = Field(description="responses decoded together, or auto")
    score_tokens: Size = Field(description="tokens of one teacher-forced batch, padding included, or auto")
    position_chunk: Size = Field(description="positions whose logits are held at a time, or auto")
    gpu_gb: Annotated[float | Literal["auto"], BeforeValidator(_card)] = Field(
        default="auto", description="memory of one card: how many a model is given; auto: read here, 80 on a cluster"
    )
    job_hours: float = Field(default=24.0, ge=1, description="what a job with a model asks for at most on a cluster")
    job_gb: float | None = Field(default=None, ge=4, description="likewise of main memory; null: no limit")
    keep_states: bool = Field(default=True, description="false: hidden states are deleted once they are compared")
    shards: int = Field(default=1, ge=1, description="jobs that share the work of generate, score and judge")


class Runtime(RuntimeConfig):
    """What every stage is handed beside its slice: runtime settings, the engine and the judges with their endpoints."""

    engine: EngineConfig = TransformersEngine(kind="transformers")
    judges: dict[Name, ServerConfig] = Field(default={}, description="where each served judge is, and what it may cost")
    started_judges: dict[Name, StartedConfig] = Field(default={}, description="how the server of each is started")
