"""`python -m superficial targets docs/targets.md`: the table of figures and tables, from their declarations."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from superficial.artifacts.errors import UserError
from superficial.views.declared import DeclaredView, declared
from superficial.views.view import Category

PLACE = re.compile(r"(?<=<!-- targets -->\n).*?(?=<!-- end of targets -->)", re.DOTALL)
BEYOND = "⁺"  # marks what figures/all leaves out


def main(words: Sequence[str]) -> int:
    """Put the table into the files; without a file, print it."""
    for path in map(Path, words):
        text = path.read_text(encoding="utf-8")
        if not PLACE.search(text):
            raise UserError("it has no place for the table", where=str(path), remedy="write <!-- targets --> there")
        path.write_text(PLACE.sub(lambda _: table(), text), encoding="utf-8")
    if not words:
        sys.stdout.write(table())
    return 0


def table() -> str:
    """A row for each target in Markdown: by subject, what `figures/all` makes first, then as the paper numbers them."""
    lines = ["| target | shows | paper |", "| --- | --- | --- |"]
    for name, one in sorted(declared().items(), key=lambda item: _place(*item)):
        mark = "" if one.view.part_of else f" {BEYOND}"
        shows = one.view.title.removeprefix("Table: ")
        lines.append(f"| `{name}`{mark} | {shows[0].upper()}{shows[1:]} | {one.view.paper} |")
    return "\n".join([*lines, ""])


def _place(name: str, one: DeclaredView) -> tuple[int, bool, int, str]:
    number = re.match(r"(?:Figure|Table) (\d+)", one.view.paper)
    return (
        get_args(Category).index(one.view.category),
        not one.view.part_of,
        int(number[1]) if number else 99,
        name,
    )
