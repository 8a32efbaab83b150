"""The shift browser."""

from pydantic import Field

from superficial.config.schema.base import Name, OfDataset, Strict
from superficial.config.schema.figure import PairTitle
from superficial.config.schema.method import PromptConfig
from superficial.config.schema.scores import JudgeTitle


class ModelTitle(Strict):
    """A model as pages name it."""

    name: Name
    title: str


class ComparedPair(PairTitle):
    """A pair with the names of its models."""

    base: ModelTitle
    aligned: ModelTitle


class ShownContext(Strict):
    """A context of the base as pages name it, and the prompt that they show."""

    name: Name
    title: str
    prompt: PromptConfig


class BrowserStage(OfDataset):
    """What the shift browser reads: which results it shows, and the colours of the figures."""

    response: Name
    contexts: list[ShownContext] = Field(min_length=1, description="of the base, its own first")
    judge: JudgeTitle | None = Field(description="whose reasons stand beside a response; null: nobody judged it")
    pairs: list[ComparedPair]
    unshifted: str
    marginal: str
    shifted: str
