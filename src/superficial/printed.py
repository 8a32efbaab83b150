"""Tables for print: the same rows as CSV and in the forms that a paper or a page takes."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pandas as pd

from superficial.artifact import whole_file
from superficial.table import write_table


def write_forms(table: pd.DataFrame, forms: Mapping[str, Callable[[], str]], out: Iterable[Path]) -> None:
    """Write `table` to each path of `out`: as CSV, or as the text that the form of the path's suffix gives."""
    for path in out:
        if path.suffix == ".csv":
            write_table(table, path)
            continue
        with whole_file(path) as partial:
            partial.write_text(forms[path.suffix](), encoding="utf-8")
