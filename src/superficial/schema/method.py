"""How a model sees an instruction and answers it."""

from typing import Literal

from pydantic import Field, model_validator

from superficial.schema.base import Name, Strict


class MethodConfig(Strict):
    """How a model sees an instruction: through its chat template, or as text to complete."""

    name: Name
    kind: Literal["chat", "completion"]
    template: str | None = Field(default=None, description="completion only: text with {instruction} in it")

    @model_validator(mode="after")
    def _template_fits_kind(self) -> "MethodConfig":
        if (self.kind == "completion") != (self.template is not None):
            raise ValueError("template belongs to kind=completion, and to no other")
        if self.template is not None and self.template.count("{instruction}") != 1:
            raise ValueError("template must hold {instruction} exactly once")
        return self


class GenerateConfig(Strict):
    """Greedy decoding."""

    max_new_tokens: int = Field(ge=1, description="tokens; a response that reaches it has finish_reason length")


class GenerateStage(GenerateConfig):
    """What the generate stage reads: the decoding arguments and the method."""

    method: MethodConfig
