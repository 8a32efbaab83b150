"""Statistics, table and figures of answers."""

from pydantic import Field

from superficial.config.schema.base import OfDataset, Strict
from superficial.config.schema.figure import FigureConfig
from superficial.config.schema.shift import IntervalsConfig


class AnsweringSystem(Strict):
    """A model with a method, and what it is compared with."""

    name: str = Field(description="MODEL.METHOD")
    baseline: str = Field(description="MODEL.METHOD of the zero-shot answers; empty where there are none but its own")


class ResponseStatsStage(IntervalsConfig):
    """What the response_stats stage reads: intervals, and whose answers its files hold, in their order."""

    systems: list[AnsweringSystem]


class ShownSystem(Strict):
    """A system as tables and figures name it, and how it was decoded."""

    name: str = Field(description="MODEL.METHOD")
    model: str = Field(description="title of the model")
    method: str = Field(description="title of the method")
    repetition_penalty: float


class ResponsesView(OfDataset):
    """Whose answers are shown; also all that the table of responses reads."""

    confidence: float = Field(description="of the intervals in the table that is shown")
    max_new_tokens: int
    systems: list[ShownSystem]


class FailuresFigure(FigureConfig, ResponsesView):
    """What the figure of failures reads."""


class MethodsExample(FigureConfig, ResponsesView):
    """What the figure of one instruction reads: the systems of the first pair."""

    zero_shot: str | None = Field(description="MODEL.METHOD that fails on the instruction which is picked")
    urial: str | None = Field(description="MODEL.METHOD that does not")
