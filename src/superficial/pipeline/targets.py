"""Which figures and tables a run makes, and from which files: from what each of them declares."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from superficial.config.experiment import Experiment
from superficial.pipeline.slices.registry import judged_view, published_judged
from superficial.pipeline.systems import about_published, judged_systems, scoring
from superficial.views.declared import DeclaredView, declared
from superficial.views.report.entries import report_entry
from superficial.views.view import View


def in_all(run: Experiment) -> list[str]:
    """One file of each figure and table that `figures/all` makes in this run."""
    return [
        one.view.out[0]
        for one in declared().values()
        if run.settings.subject in one.view.part_of and NEEDS[one.view.needs](run)
    ]


def beyond_all() -> list[str]:
    """One file of each figure and table that no `figures/all` makes."""
    return [one.view.out[0] for one in declared().values() if not one.view.part_of]


def drawn_views(folder: str) -> dict[str, View]:
    """The views of "figures" or "tables" whose rule follows from what they read; others have one of their own."""
    views = {name: one.view for name, one in declared().items()}
    return {name: view for name, view in views.items() if name.startswith(f"{folder}/") and (view.reads or view.files)}


def files_of(view: View, run: Experiment) -> dict[str, list[str]]:
    """The files that a view reads in this run, by the names under which its rule has them."""
    names = {
        "dataset": run.settings.dataset.name,
        "context": run.settings.context.name,
        "judge": run.settings.judge.name,
        "judged": judged_view(run).judge.name,
        "published": "judged" if published_judged(run).judges else "judgments",
    }

    def paths(patterns: Iterable[str]) -> list[str]:
        """With {pair} in it, a pattern stands for a file of each pair."""
        return [
            pattern.format(pair=pair, **names)
            for pattern in patterns
            for pair in (run.pairs if "{pair}" in pattern else [""])
        ]

    found = {name: paths([pattern]) for name, pattern in view.files.items()}
    return found | ({"reads": paths(view.reads)} if view.reads else {})


def in_report(path: str, name: str, report: Callable[..., Any]) -> Any:
    """An output of figures/NAME or tables/NAME that Snakemake's report shows; `report` is Snakemake's own function.

    The caption is written by the rule `captions`, and read when Snakemake writes its report.
    """
    entry, caption = report_entry(name), Path(f"results/report/{name}.rst").resolve()
    return report(path, caption=str(caption), category=entry.category, labels={"result": entry.title})


def outputs_of(name: str, report: Callable[..., Any]) -> list[Any]:
    """The files of a view; a report shows the SVG of what `figures/all` makes."""
    view = declared()[name].view
    return [in_report(path, name, report) if view.part_of and path.endswith(".svg") else path for path in view.out]


def declared_in(names: Iterable[str]) -> list[str]:
    """The source files that declare these views; a name that is not declared is left out."""
    views: Mapping[str, DeclaredView] = declared()
    return [str(views[name].file) for name in names if name in views]


def _judged(run: Experiment) -> bool:
    return bool(scoring(run, beside=False) and judged_systems(run))


NEEDS: Mapping[str, Callable[[Experiment], bool]] = {
    "": lambda run: True,
    "scores": lambda run: about_published(run) or _judged(run),
    "judge": _judged,
}
