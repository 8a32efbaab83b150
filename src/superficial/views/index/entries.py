"""What the index lists: each figure, table and set of pages that was made, with its caption and files."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import get_args

from markupsafe import Markup

from superficial.views.declared import DeclaredView, declared
from superficial.views.report.pages import rendered
from superficial.views.view import Category

LABELS = {".caption.md": "caption", ".caption.tex": "caption for LaTeX", ".md": "Markdown", ".tex": "LaTeX"}


@dataclass(frozen=True)
class IndexEntry:
    """A result as the page shows it; paths are relative to the folder of results."""

    name: str
    title: str
    category: str
    caption: Markup
    picture: str  # empty for what is no picture
    table: Markup
    page: str  # a set of pages, which this is the first of
    files: list[tuple[str, str]]  # what it is, and where


def sections(made: Iterable[Path], results: Path) -> list[tuple[str, list[IndexEntry]]]:
    """Entries by category; what repeats a figure of the paper comes first, in the paper's order."""
    order = get_args(Category)
    found = sorted(_entries(made, results), key=lambda entry: (order.index(entry.category), _number(entry)))
    return [(category, list(entries)) for category, entries in groupby(found, key=lambda entry: entry.category)]


def _entries(made: Iterable[Path], results: Path) -> Iterator[IndexEntry]:
    views = {Path(one.view.out[0]).relative_to("results"): one for one in declared().values()}
    for file in made:
        if one := views.get(file.relative_to(results)):
            yield _entry(one, results)


def _entry(one: DeclaredView, results: Path) -> IndexEntry:
    name = one.view.name
    paths = [str(Path(path).relative_to("results")) for path in one.view.out]
    here = {re.sub(r"^[^.]*", "", Path(path).name): path for path in paths if (results / path).is_file()}
    text = (results / here[".caption.md"]).read_text(encoding="utf-8") if ".caption.md" in here else ""
    shown = ".md" in here and name.startswith("tables/")
    return IndexEntry(
        name=name,
        title=one.title,
        category=one.view.category,
        caption=rendered(text) if text else Markup("<p>{}</p>").format(one.view.text),
        picture=here.get(".svg", ""),
        table=rendered((results / here[".md"]).read_text(encoding="utf-8")) if shown else Markup(),
        page=here.get(".html", ""),
        files=[(LABELS.get(form, form.removeprefix(".").upper()), path) for form, path in here.items()],
    )


def _number(entry: IndexEntry) -> tuple[int, str]:
    found = re.search(r"\((?:Figure|Table) (\d+)", entry.title)
    return int(found[1]) if found else 100, entry.name
