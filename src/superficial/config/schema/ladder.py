"""Stages of training between the base and the aligned model."""

from superficial.config.schema.base import Name, Strict
from superficial.config.schema.figure import FigureStage

BASE, ALIGNED = "base", "aligned"  # the ends of a ladder; the rungs between go by the names of the pair's stages


class Rung(Strict):
    """A model of a ladder as figures name it."""

    name: str
    title: str


class Ladder(Strict):
    """The models of a pair from the base to the aligned one, in the order of training."""

    pair: Name
    rungs: list[Rung]


class LadderFigure(FigureStage):
    """What the figure of ladders reads: its look, and the ladder of every pair that has one."""

    ladders: list[Ladder]
