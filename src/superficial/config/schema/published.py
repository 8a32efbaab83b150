"""Responses and judgments published by others, and files in their formats."""

from pydantic import Field

from superficial.config.schema.base import Name, Strict
from superficial.config.schema.scores import JudgeTitle
from superficial.config.schema.shift import IntervalsConfig


class PublishedAnswers(Strict):
    """What the published_answers stage reads."""

    partly: bool = Field(description="leave out what was published about other instructions; else it is an error")


class PublishedStage(PublishedAnswers):
    """What the published stage reads."""

    folder: str | None = Field(description="published_dir: holds outputs/*.json and judgments/**/*.json")


class PublishedJudged(Strict):
    """What the published_judged stage reads: whose judgments its files hold, all systems of one judge after another."""

    judges: list[Name] = Field(description="of this run")
    systems: list[str] = Field(description="as the files name them")


class PublishedTable(IntervalsConfig):
    """What the table of published scores reads: its intervals, what N/A means, and who judged."""

    na_as_five: bool
    judge: JudgeTitle


class ExportStage(Strict):
    """What the export stage reads: the model as the exported file names it."""

    generator: str
    dataset: Name
