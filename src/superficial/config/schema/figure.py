"""How figures look, and what they read."""

from typing import Literal

from pydantic import Field

from superficial.config.schema.base import Name, OfDataset, Strict
from superficial.config.schema.shift import IntervalsConfig


class FigureConfig(Strict):
    """How figures look; never what they show of a model."""

    dpi: int = Field(ge=50, le=1200, description="of the PNG, dots per inch")
    columns: Literal[1, 2] = Field(default=2, description="of a paper's page that a figure spans: 3.25 or 6.75 inches")
    notes: bool = Field(default=False, description="whether the caption stands in the picture, too")
    unshifted: str = Field(description="colour")
    marginal: str = Field(description="colour")
    shifted: str = Field(description="colour")
    max_position: int = Field(ge=8, description="last response position on the x axis, tokens")
    min_examples: int = Field(ge=2, description="fewer examples than this still running: no point is drawn")
    example: str | None = Field(
        default=None, description="id of the instruction in shift_example and methods_example; null: each picks one"
    )
    example_tokens: int = Field(ge=20, description="tokens of it that are shown")


class PublishedShift(Strict):
    """A pair of the paper's Figure 3."""

    title: str
    unshifted: float = Field(description="percent of response tokens")
    marginal: float = Field(description="percent")
    shifted: float = Field(description="percent")


class PublishedScores(Strict):
    """A row of the paper's Table 1: mean scores 1..5, and words of regular responses."""

    system: str
    helpfulness: float
    clarity: float
    factuality: float
    depth: float
    engagement: float
    safety: float
    average: float
    words: float


class PublishedComparison(Strict):
    """A row of the paper's Table 2: human votes between URIAL and the tuned model, percent."""

    model: str
    urial: float = Field(description="percent of comparisons that URIAL won")
    tuned: float
    tie: float


class PublishedShare(Strict):
    """A share of tag assignments that the paper's Figure 6 prints, for the dataset just_eval."""

    grouping: Literal["task", "topic"]
    group: str
    percent: float


class ReferenceConfig(Strict):
    """Numbers that the paper prints."""

    token_shift: list[PublishedShift]
    scores: list[PublishedScores]
    comparisons: list[PublishedComparison]
    shares: list[PublishedShare]


class PairTitle(Strict):
    """A pair as figures name it."""

    name: Name
    title: str


class FigureStage(FigureConfig, OfDataset):
    """What a figure reads: its look, and which results it shows."""

    context: Name
    context_title: str = Field(default="", description="empty: it goes by its name")
    confidence: float = Field(description="of the intervals in the tables that it draws")
    pairs: list[PairTitle]

    @property
    def base_context(self) -> str:
        """The context of the base as figures name it."""
        return self.context_title or self.context


class RatioFigure(FigureStage):
    """What the figure of shares reads, too: the published pairs, and which of them each pair of this run repeats."""

    published: list[PublishedShift]
    repeats: dict[str, str] = Field(description="name of a pair of this run: title of the published one")


class PairsTable(OfDataset):
    """What a table about pairs reads: which results it shows, and from how many examples on."""

    context: Name
    confidence: float
    min_examples: int
    pairs: list[PairTitle]


class DefinitionsTable(IntervalsConfig, OfDataset):
    """What the table of definitions reads: its intervals, and which results it shows."""

    context: Name
    context_title: str
    pairs: list[PairTitle]
