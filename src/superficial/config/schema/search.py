"""Shift-aware search for the examples of a prompt."""

from pydantic import Field

from superficial.config.schema.base import Name, Strict
from superficial.config.schema.figure import FigureStage, PairsTable
from superficial.config.schema.method import MethodConfig


class SearchBounds(Strict):
    """How far the search goes."""

    k: int = Field(ge=1, description="examples that are chosen, one after the other")
    examples: int | None = Field(
        ge=2, description="instructions, in the shares of regular and safety, half of them for the test; null: all"
    )
    max_positions: int | None = Field(ge=1, description="response tokens that count in the search; null: all")
    seed: int = Field(description="of the draw of instructions and their halves")


class SearchConfig(SearchBounds):
    """Which examples of a pool bring the base nearest to the aligned model (make search-prompt)."""

    method: Name = Field(
        description="a file of config/method/ with examples: its pool, style, system text and template are searched"
    )


class SearchStage(SearchBounds):
    """What the prompt_search stage reads: its bounds, and the method as it is."""

    method: MethodConfig


class SearchFigure(FigureStage):
    """What the figure of the search reads, too."""

    method: str = Field(description="title of the method that was searched")
    max_positions: int | None = Field(description="response tokens that counted in the search")


class SearchTable(PairsTable):
    """What the table of the search reads."""

    method: str = Field(description="title of the method that was searched")
    max_positions: int | None = Field(description="response tokens that counted in the search")
