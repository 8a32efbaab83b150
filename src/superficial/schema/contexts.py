"""Further contexts under which the base model sees the aligned model's responses."""

from pydantic import Field

from superficial.schema.base import Name, Strict
from superficial.schema.figure import FigureStage, PairTitle


class ContextTitle(Strict):
    """A context as figures name it."""

    name: Name
    title: str
    examples: int = Field(description="in-context examples in it")


class ContextsFigure(FigureStage):
    """What a figure of contexts reads: its look, and the contexts, the base's own first."""

    contexts: list[ContextTitle]


class ContextsTable(Strict):
    """What the table of contexts reads."""

    dataset: Name
    context: Name
    confidence: float
    min_examples: int
    pairs: list[PairTitle]
    contexts: list[ContextTitle]
