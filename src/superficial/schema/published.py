"""Responses and judgments published by others, and files in their formats."""

from pydantic import Field

from superficial.schema.base import Name, Strict
from superficial.schema.shift import IntervalsConfig


class PublishedStage(Strict):
    """What the published stage reads."""

    folder: str | None = Field(description="published_dir: holds outputs/*.json and judgments/**/*.json")


class PublishedTable(IntervalsConfig):
    """What the table of published scores reads: its intervals, and what N/A means."""

    na_as_five: bool


class ExportStage(Strict):
    """What the export stage reads: the model as the exported file names it."""

    generator: str
    dataset: Name
