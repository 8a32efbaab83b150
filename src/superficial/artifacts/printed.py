"""Tables for print: the same rows as CSV and in the forms that a paper or a page takes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import wrap

import pandas as pd

from superficial.artifacts.files import whole_file
from superficial.artifacts.markup import latex_text, markdown_text
from superficial.artifacts.table import write_table

# All of it plain text, which is escaped here. A cell may have several lines: what stands below the first is small.
Cell = str | Sequence[str]
Row = str | Sequence[Cell]  # a text alone is a heading across all columns

RULES = "".join(rf"\providecommand{{\{name}rule}}{{\hline}}" for name in ("top", "mid", "bottom"))


def write_forms(table: pd.DataFrame, forms: Mapping[str, Callable[[], str]], out: Iterable[Path]) -> None:
    """Write `table` to each path of `out`: as CSV, or as the text that the form of the path's suffix gives."""
    for path in out:
        if path.suffix == ".csv":
            write_table(table, path)
            continue
        with whole_file(path) as partial:
            partial.write_text(forms[path.suffix](), encoding="utf-8")


def markdown_table(header: Sequence[str], rows: Iterable[Row], *, left: int) -> list[str]:
    """Lines of a table in GitHub's Markdown; the first `left` columns are texts, the others numbers."""

    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    lines = [line(map(markdown_text, header)), line(["---"] * left + ["---:"] * (len(header) - left))]
    for row in rows:
        if isinstance(row, str):
            lines.append(line([f"**{markdown_text(row)}**", *[""] * (len(header) - 1)]))
        else:
            lines.append(line("<br>".join(map(markdown_text, _lines(cell))) for cell in row))
    return lines


def latex_table(header: Sequence[str], rows: Iterable[Row], *, left: int) -> list[str]:
    """Lines of the same table in LaTeX. It needs no package, and uses the rules of booktabs where that is loaded."""
    sides = "l" * left + "r" * (len(header) - left)
    body: list[str] = []
    for row in rows:
        if isinstance(row, str):
            body += [r"\midrule", rf"\multicolumn{{{len(header)}}}{{l}}{{\textbf{{{latex_text(row)}}}}} \\"]
        else:
            body.append(" & ".join(map(_cell, row, sides)) + r" \\")
    return [
        r"{\noindent\footnotesize\setlength{\tabcolsep}{3pt}%", f"{RULES}%", rf"\begin{{tabular}}{{{sides}}}",
        r"\toprule",
        " & ".join(_wrapped(cell, 12, side, "b") for cell, side in zip(header, sides, strict=True)) + r" \\",
        *([] if body[:1] == [r"\midrule"] else [r"\midrule"]), *body, r"\bottomrule", r"\end{tabular}\par}\medskip", "",
    ]  # fmt: skip


def with_interval(row: "pd.Series[float]", factor: float, digits: int) -> list[str]:
    """A cell of `value`, and below it [`low`, `high`]; rounded first, so that nothing is shown as minus zero."""
    value, low, high = (f"{round(factor * row[name], digits) + 0.0:.{digits}f}" for name in ("value", "low", "high"))
    return [value, f"[{low}, {high}]"]


def latex_title(title: str, note: str = "") -> list[str]:
    """Lines of a title above a table, with a note beside it in plain type."""
    return [rf"\noindent\textbf{{{latex_text(title)}}} {latex_text(note)}\par", ""]


def _lines(cell: Cell) -> Sequence[str]:
    return [cell] if isinstance(cell, str) else cell


def _cell(cell: Cell, side: str) -> str:
    if side == "l" and isinstance(cell, str):
        return _wrapped(cell, 34, side)
    first, *below = map(latex_text, _lines(cell))
    return _stack([first, *(rf"{{\tiny {one}}}" for one in below)], side)


def _wrapped(text: str, width: int, side: str, place: str = "t") -> str:
    """At most `width` characters a line: a table in LaTeX is as wide as its cells."""
    return _stack([latex_text(line) for line in wrap(text, width)], side, place)


def _stack(lines: Sequence[str], side: str, place: str = "t") -> str:
    """Lines one below the other; `place`: the top or the bottom one stands on the line of the row."""
    if len(lines) < 2:
        return "".join(lines)
    return rf"\begin{{tabular}}[{place}]{{@{{}}{side}@{{}}}}" + r"\\".join(lines) + r"\end{tabular}"
