"""What the report says of the paper."""

from pydantic import Field

from superficial.config.schema.base import Strict
from superficial.config.schema.figure import PublishedShift


class ReportedPair(Strict):
    """A pair of this run, and what the paper calls it."""

    title: str
    reference: str | None = Field(description="title of the paper's numbers for this very pair")


class ReportStage(Strict):
    """What the report stage reads; all else it finds in the manifest and in the tables."""

    pairs: list[ReportedPair] = Field(description="empty: the run is about published files")
    token_shift: list[PublishedShift]
