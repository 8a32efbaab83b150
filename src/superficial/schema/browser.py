"""The shift browser."""

from superficial.schema.base import Name, Strict
from superficial.schema.figure import PairTitle
from superficial.schema.method import MethodConfig


class ModelTitle(Strict):
    """A model as pages name it."""

    name: Name
    title: str


class ComparedPair(PairTitle):
    """A pair with the names of its models."""

    base: ModelTitle
    aligned: ModelTitle


class BrowserStage(Strict):
    """What the shift browser reads: which results it shows, the base's context, and the colours of the figures."""

    dataset: Name
    response: Name
    context: MethodConfig
    pairs: list[ComparedPair]
    unshifted: str
    marginal: str
    shifted: str
