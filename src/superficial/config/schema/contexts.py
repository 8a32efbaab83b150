"""Further contexts under which the base model sees the aligned model's responses."""

from pydantic import Field

from superficial.config.schema.base import Name, Strict
from superficial.config.schema.figure import FigureStage, PairsTable, PublishedShift


class ContextTitle(Strict):
    """A context as figures name it."""

    name: Name
    title: str
    examples: int = Field(description="in-context examples in it")


class ContextsFigure(FigureStage):
    """What a figure of contexts reads: its look, and the contexts, the base's own first."""

    contexts: list[ContextTitle]


class ContextsTable(PairsTable):
    """What the table of contexts reads."""

    contexts: list[ContextTitle]


class FindingsTable(ContextsTable):
    """What the table of findings reads, too: the shares that the paper prints."""

    published: list[PublishedShift]
