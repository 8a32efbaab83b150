"""Settings of speed and memory. In half precision they may also decide what rounding decides."""

from pydantic import Field

from superficial.config.schema.base import Name, Strict
from superficial.config.schema.server import EngineConfig, ServerConfig, TransformersEngine


class RuntimeConfig(Strict):
    """What decides speed and memory, and no result in float32: it is read by stages, and changing it reruns nothing."""

    device: str = Field(description="auto, cpu, cuda, cuda:1, mps")
    generate_batch: int = Field(ge=1, description="responses decoded together")
    score_tokens: int = Field(ge=1, description="tokens of one teacher-forced batch, padding included")
    position_chunk: int = Field(ge=1, description="positions whose logits are held at a time")
    gpu_gb: float = Field(default=80.0, gt=0, description="memory of one card: how many a model is given on a cluster")
    job_hours: float = Field(default=24.0, ge=1, description="what a job with a model asks for at most on a cluster")
    shards: int = Field(default=1, ge=1, description="jobs that share the work of generate, score and judge")


class Runtime(RuntimeConfig):
    """What every stage is handed beside its slice: runtime settings, the engine and the judges with their endpoints."""

    engine: EngineConfig = TransformersEngine(kind="transformers")
    judges: dict[Name, ServerConfig] = Field(default={}, description="where each served judge is, and what it may cost")
