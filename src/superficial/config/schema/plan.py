"""What `plan` reckons with: devices, and the sizes of models and datasets that are not at hand."""

from typing import Annotated

from pydantic import Field, model_validator

from superficial.config.schema.base import Name, Strict

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Architecture(Strict):
    """The numbers of a decoder that its work and memory follow from; they stand in the config.json of its makers."""

    parameters: Count = Field(description="all of them, embeddings included")
    layers: Count
    hidden: Count
    heads: Count
    kv_heads: Count
    head_dim: Count
    vocabulary: Count
    tied: bool = Field(description="the LM head is the embedding table")


class DatasetSize(Strict):
    """Instructions of a dataset."""

    regular: int = Field(ge=0)
    safety: int = Field(ge=0)
    characters: Positive = Field(description="of an instruction, mean")


class Device(Strict):
    """What computes."""

    memory_gb: Positive = Field(description="GB, 1e9 bytes")
    tflops: Positive = Field(description="of a matrix product in the dtype of the models, 1e12 a second")
    bandwidth_gb: Positive = Field(description="of its memory, 1e9 bytes a second")


class PlanConfig(Strict):
    """What `make plan` reckons with."""

    gpu: Name | None = Field(description="a name of devices; null: this machine")
    reading: float = Field(gt=0, le=1, description="share of the roofline that passes over whole texts reach")
    decoding: float = Field(gt=0, le=1, description="share of the roofline that decoding reaches")
    start_seconds: Positive = Field(description="of a job that loads a model, without its weights")
    load_gb_per_second: Positive = Field(description="weights from disk, GB a second")
    devices: dict[Name, Device]

    @model_validator(mode="after")
    def _gpu_is_known(self) -> "PlanConfig":
        if self.gpu is not None and self.gpu not in self.devices:
            raise ValueError(f"no device named {self.gpu}: take one of {', '.join(self.devices)}")
        return self
