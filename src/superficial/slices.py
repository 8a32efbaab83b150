"""What each stage reads of the configuration: an edit elsewhere must not rerun it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel

from superficial import schema

if TYPE_CHECKING:
    from superficial.config import Experiment

Slice = Callable[["Experiment", str], BaseModel]


def generate(run: Experiment, method: str) -> schema.GenerateStage:
    """The decoding arguments and the method."""
    return schema.GenerateStage(**dict(run.settings.generate), method=run.method(method))


def score(run: Experiment, method: str) -> schema.ScoreStage:
    """The context under which the responses are scored."""
    return schema.ScoreStage(context=run.method(method).prompt)


def rescore(run: Experiment, change: str) -> schema.RescoreStage:
    """One change of the base's context."""
    return schema.RescoreStage(change=change, context=run.settings.context.prompt if change == "two_bos" else None)


def handoff(run: Experiment, _: str) -> schema.HandoffStage:
    """The bounds of the hand-off, and the base's context."""
    return schema.HandoffStage(**dict(run.settings.handoff), context=run.settings.context.prompt)


def figure(run: Experiment, _: str) -> schema.FigureStage:
    """The look of the figures, and which results they show."""
    settings = run.settings
    return schema.FigureStage(
        **dict(settings.figure),
        dataset=settings.dataset.name,
        context=settings.context.name,
        confidence=settings.stats.confidence,
        reference=settings.reference,
        pairs=titles(run),
    )


def definitions_table(run: Experiment, _: str) -> schema.DefinitionsTable:
    """Intervals, and which results the table shows."""
    settings = run.settings
    return schema.DefinitionsTable(
        **dict(settings.stats), dataset=settings.dataset.name, context=settings.context.name, pairs=titles(run)
    )


def browser(run: Experiment, _: str) -> schema.BrowserStage:
    """Which results the pages show, the base's context, and the colours of the figures."""
    settings, look = run.settings, run.settings.figure
    return schema.BrowserStage(
        dataset=settings.dataset.name,
        response=settings.response.name,
        context=settings.context,
        pairs=[
            schema.ComparedPair(
                name=pair.name,
                title=pair.title,
                base=schema.ModelTitle(name=pair.base.name, title=pair.base.title),
                aligned=schema.ModelTitle(name=pair.aligned.name, title=pair.aligned.title),
            )
            for pair in run.pairs.values()
        ],
        unshifted=look.unshifted,
        marginal=look.marginal,
        shifted=look.shifted,
    )


def titles(run: Experiment) -> list[schema.PairTitle]:
    """The pairs of the run, as figures name them."""
    return [schema.PairTitle(name=pair.name, title=pair.title) for pair in run.pairs.values()]


SLICES: Mapping[str, Slice] = {
    "model": lambda run, name: run.model(name),
    "data": lambda run, _: run.settings.dataset,
    "pair": lambda run, _: schema.Nothing(),
    "generate": generate,
    "score": score,
    "rescore": rescore,
    "compare": lambda run, _: run.settings.compare,
    "stats": lambda run, _: run.settings.stats,
    "handoff": handoff,
    "align": lambda run, _: run.settings.align,
    "figure": figure,
    "browser": browser,
    "definitions_table": definitions_table,
}
