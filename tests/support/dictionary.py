"""Tables that the workflow made, held against the declaration of columns."""

from pathlib import Path

from superficial.artifacts.table import read_table
from superficial.results.opened import declaration_of

DRAWN = ("figures", "tables")  # what a figure was drawn from, and printed tables: each has its own caption


def compared_with_declaration(results: Path) -> tuple[list[str], list[str]]:
    """Tables that are declared as they are, and those that are not, with the columns that differ."""
    good, bad = [], []
    for file in sorted([*results.rglob("*.parquet"), *results.rglob("*.csv")]):
        name = file.relative_to(results)
        if name.parts[0].startswith(".") or name.parts[0] in DRAWN:
            continue
        declared = declaration_of(name.as_posix())
        columns = set(read_table(file).columns)
        if declared is None or columns != set(declared.columns):
            bad.append(f"{name}: {sorted(columns ^ set(declared.columns if declared else []))}")
        else:
            good.append(declared.path)
    return good, bad
