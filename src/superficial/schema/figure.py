"""How figures look, and what they read."""

from pydantic import Field

from superficial.schema.base import Name, Strict
from superficial.schema.shift import StatsConfig


class FigureConfig(Strict):
    """How figures look; never what they show of a model."""

    dpi: int = Field(ge=50, le=1200, description="of the PNG, dots per inch")
    unshifted: str = Field(description="colour")
    marginal: str = Field(description="colour")
    shifted: str = Field(description="colour")
    max_position: int = Field(ge=8, description="last response position on the x axis, tokens")
    min_examples: int = Field(ge=2, description="fewer examples than this still running: no point is drawn")
    example: str | None = Field(default=None, description="id of the response that shift_example shows; null picks one")
    example_tokens: int = Field(ge=20, description="tokens of it that are shown")


class PublishedShift(Strict):
    """A pair of the paper's Figure 3."""

    title: str
    unshifted: float = Field(description="percent of response tokens")
    marginal: float = Field(description="percent")
    shifted: float = Field(description="percent")


class ReferenceConfig(Strict):
    """Numbers that the paper prints."""

    token_shift: list[PublishedShift]


class PairTitle(Strict):
    """A pair as figures name it."""

    name: Name
    title: str


class FigureStage(FigureConfig):
    """What a figure reads: its look, and which results it shows."""

    dataset: Name
    context: Name
    confidence: float = Field(description="of the intervals in the tables that it draws")
    pairs: list[PairTitle]
    reference: ReferenceConfig


class DefinitionsTable(StatsConfig):
    """What the table of definitions reads: its intervals, and which results it shows."""

    dataset: Name
    context: Name
    pairs: list[PairTitle]
