"""What figures, tables, the browser and the report read of the configuration."""

from typing import Any

from superficial.artifacts.errors import UserError
from superficial.config import schema
from superficial.config.experiment import Experiment
from superficial.config.validation import nearest
from superficial.pipeline.slices import judging, probes
from superficial.pipeline.systems import about_published


def figure(run: Experiment, _: str) -> schema.FigureStage:
    """The look of the figures, and which results they show."""
    settings = run.settings
    return schema.FigureStage(
        **dict(settings.figure),
        dataset=settings.dataset.name,
        dataset_title=run.dataset_title,
        context=settings.context.name,
        context_title=settings.context.title,
        confidence=settings.stats.confidence,
        pairs=titles(run),
    )


def ratio_figure(run: Experiment, _: str) -> schema.RatioFigure:
    """The look, and the paper's shares; a pair says by its `reference` which of them are its own."""
    published = run.settings.reference.token_shift
    known = {row.title for row in published}
    repeats = {pair.name: pair.reference for pair in run.pairs.values() if pair.reference is not None}
    for name, title in repeats.items():
        if title not in known:
            raise UserError(
                f"no published pair {title!r}", where=f"config/pair/{name}.yaml, key reference",
                remedy=nearest(title, sorted(known), "titles"),
            )  # fmt: skip
    return schema.RatioFigure(**dict(figure(run, "")), published=published, repeats=repeats)


def definitions_table(run: Experiment, _: str) -> schema.DefinitionsTable:
    """Intervals, and which results the table shows."""
    settings = run.settings
    return schema.DefinitionsTable(
        **settings.stats.intervals,
        dataset=settings.dataset.name,
        dataset_title=run.dataset_title,
        context=settings.context.name,
        context_title=settings.context.title,
        pairs=titles(run),
    )


def pairs_table(run: Experiment) -> dict[str, Any]:
    """Which results a table about pairs shows, and from how many examples on."""
    settings = run.settings
    return {
        "dataset": settings.dataset.name,
        "dataset_title": run.dataset_title,
        "context": settings.context.name,
        "confidence": settings.stats.confidence,
        "min_examples": settings.figure.min_examples,
        "pairs": titles(run),
    }


def browser(run: Experiment, _: str) -> schema.BrowserStage:
    """Which results the pages show, the base's contexts, who judged, and the colours of the figures."""
    settings, look = run.settings, run.settings.figure
    return schema.BrowserStage(
        dataset=settings.dataset.name,
        dataset_title=run.dataset_title,
        response=settings.response.name,
        contexts=[
            schema.ShownContext(name=method.name, title=method.title, prompt=method.prompt)
            for method in map(run.method, [settings.context.name, *probes.further_contexts(run)])
        ],
        judge=judging.beside_responses(run),
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


def report(run: Experiment, _: str) -> schema.ReportStage:
    """The pairs, and what the paper prints of them."""
    return schema.ReportStage(
        pairs=[
            schema.ReportedPair(title=pair.title, reference=pair.reference)
            for pair in run.pairs.values()
            if not about_published(run)
        ],
        token_shift=run.settings.reference.token_shift,
    )


def titles(run: Experiment) -> list[schema.PairTitle]:
    """The pairs of the run, as figures name them."""
    return [schema.PairTitle(name=pair.name, title=pair.title) for pair in run.pairs.values()]
