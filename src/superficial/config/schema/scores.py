"""Statistics, table and figures of scores."""

from pydantic import Field

from superficial.config.schema.base import Name, OfDataset, Strict
from superficial.config.schema.figure import FigureConfig, FigureStage, PublishedScores, PublishedShare
from superficial.config.schema.shift import IntervalsConfig


class SystemTitle(Strict):
    """What answered: a model with a method, as tables name it."""

    name: str = Field(description="MODEL.METHOD")
    title: str


class JudgeTitle(Strict):
    """A judge as tables and figures name it."""

    name: Name
    title: str
    caveat: str = Field(description="why its scores must not be believed as they stand; empty where nothing is known")


class JudgedStage(IntervalsConfig):
    """What the judged stage reads: intervals, what N/A means, and whose judgments its files hold, in their order."""

    na_as_five: bool = Field(description="a judge's N/A counts as 5, as in the published code; else it is unscored")
    judge: Name
    systems: list[str] = Field(description="MODEL.METHOD; empty where the files name system and judge themselves")


class JudgedView(OfDataset):
    """Whose scores are shown, and how far they may be trusted."""

    confidence: float = Field(description="of the intervals in the table that is shown")
    na_as_five: bool
    judge: JudgeTitle
    systems: list[SystemTitle] = Field(description="empty: every system of the table, under its own name")
    asked: list[Name] = Field(default=[], description="judges of this run among those that were published")


class SystemGroup(Strict):
    """Systems that are drawn together."""

    title: str
    systems: list[str] = Field(description="titles, as in `systems` of the view")


class JudgedFigure(FigureConfig, JudgedView):
    """What a figure of scores reads."""

    groups: list[SystemGroup] = Field(default=[], description="a panel each, one a pair; empty: one panel")


class CausalFigure(FigureStage):
    """What the figure of swapped tokens reads: its look, and who judged the texts."""

    judge: JudgeTitle


class ScoresTable(JudgedView):
    """What the table of scores reads: this run's scores, and the paper's beside them."""

    published: list[PublishedScores]


class DatasetFigure(FigureConfig, OfDataset):
    """What the figure of the dataset reads, with the paper's shares where they are of this dataset."""

    shares: list[PublishedShare]
