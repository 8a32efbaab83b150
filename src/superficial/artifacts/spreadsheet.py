"""Texts in CSV files, which people open in spreadsheets and print on terminals: neither may take them for commands."""

import re
from collections.abc import Callable

import pandas as pd

from superficial.artifacts.markup import visible

# What a spreadsheet would compute, and what can reach outside of it: a call, a program, another file.
_FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠].*[(|!#（｜！＃]", re.DOTALL)


def guarded(text: str) -> str:
    r"""`text` for a cell of CSV: an apostrophe before what a spreadsheet would compute, control characters spelled out.

    >>> guarded('=HYPERLINK("http://x")'), guarded("- a list"), guarded("-1"), guarded("a\x1b[2J")
    ('\'=HYPERLINK("http://x")', '- a list', '-1', 'a<U+001B>[2J')
    """
    shown = visible(text)
    return f"'{shown}" if _FORMULA.match(shown) else shown


def bare(cell: str) -> str:
    """The text of a cell without the apostrophe that `guarded` put there.

    >>> bare("'=A(1)"), bare("''=A(1)"), bare("'twas")
    ('=A(1)', "'=A(1)", "'twas")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def each_text(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """`table` with each text changed; columns without a text that changes stay as they are."""
    changed = {}
    for name, column in table.items():
        if pd.api.types.is_numeric_dtype(column):
            continue
        values = column.astype(object)
        found = values.map(lambda value: change(value) if isinstance(value, str) else value)
        if not found.equals(values):
            changed[name] = found
    return table.assign(**changed) if changed else table
