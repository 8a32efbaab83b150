"""Small tables as Markdown and as reStructuredText, with every character taken literally."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from superficial.artifacts.markup import markdown_text, visible


@dataclass(frozen=True)
class Grid:
    """A table of texts under a title; `note` says what has to be known to read it."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        """As a section of a Markdown page."""
        lines = [
            f"## {markdown_text(self.title)}",
            "",
            _row(self.header),
            _row(["---"] * len(self.header), plain=False),
        ]
        return "\n".join([*lines, *map(_row, self.rows), "", markdown_text(self.note), ""])

    def rst(self) -> str:
        """As a table below a bold title."""
        lines = [f"**{rst_text(self.title)}**", "", ".. list-table::", "   :header-rows: 1", ""]
        for row in (self.header, *self.rows):
            lines += [f"   {'*' if column == 0 else ' '} - {rst_text(text)}" for column, text in enumerate(row)]
        return "\n".join([*lines, "", rst_text(self.note), ""])


def _row(cells: Sequence[str], plain: bool = True) -> str:
    return f"| {' | '.join(markdown_text(cell) if plain else cell for cell in cells)} |"


def rst_text(text: str) -> str:
    r"""Text without what reStructuredText, or Jinja before it, would read as markup.

    >>> rst_text("{{ 7 * 7 }} `a`_")
    '\\{\\{ 7 \\* 7 \\}\\} \\`a\\`\\_'
    """
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(visible(text).split()))
