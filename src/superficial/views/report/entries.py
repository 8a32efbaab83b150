"""What a report shows: where each result stands in it, under which title, and what there is to see."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from superficial.views.declared import declared

PAPER = "tables/paper"  # a page of the report alone


@dataclass(frozen=True)
class ReportEntry:
    """A figure or table in the report; `text` says what is drawn, in words that hold for every run."""

    category: str
    title: str
    text: str


def report_entry(name: str) -> ReportEntry:
    """The entry of `name`, figures/NAME or tables/NAME."""
    if name == PAPER:
        text = "Every number of this run that the paper prints, too."
        return ReportEntry("Beside the paper", "The paper's values beside ours", text)
    one = declared()[name]
    return ReportEntry(one.view.category, one.title, one.view.text)


def told(made: Iterable[str]) -> list[str]:
    """What the report reads of the files that a run makes: numbers, and what is said of figures.

    >>> told(["results/figures/a.pdf", "results/tables/b.csv"])
    ['results/figures/a.csv', 'results/figures/a.caption.md', 'results/tables/b.csv']
    """
    forms = {".pdf": (".csv", ".caption.md")}
    return [path.replace(".pdf", form) for path in made for form in forms.get(Path(path).suffix, ("",))]


def captioned(made: Iterable[str]) -> list[str]:
    """What stands in the report, figures/NAME and tables/NAME, of the files that a run makes; the paper's numbers last.

    >>> captioned(["results/figures/a.pdf", "results/browser/index.html", "results/tables/b.csv"])
    ['figures/a', 'tables/b', 'tables/paper']
    """
    names = ["/".join(Path(path).with_suffix("").parts[-2:]) for path in made]
    return [name for name in names if name.startswith(("figures/", "tables/"))] + [PAPER]
