"""`python -m superficial dictionary docs/data.md`: write the page of all tables and columns from their declaration."""

import sys
from collections.abc import Sequence
from pathlib import Path

from superficial.results.columns import Table, tables

HEAD = """# Tables and columns

Every table below `results/`, and what its columns hold. In Python nobody needs the paths:

```python
from superficial import results

run = results.open("results")
run.ratios()                            # shares of unshifted, marginal and shifted tokens
run.tokens(context="zero_shot")         # every response token: ranks, probabilities, KL, category
run.responses(method="aligned")         # what the aligned model answered
run.table("stats/groups", pair="mypair")  # any table of this page
```

Each call gives one data frame; the keys of its tables (dataset, pair and so on) are the first columns. What you do not
ask for is that of the last run of `figures/all`. `run.there("tokens")` lists what is there.
[The notebook](results.ipynb) shows more.

Types: *text*; *integer*; *number*; *category* (unshifted, marginal, shifted, in this order); *texts*, *integers* and
*numbers* are lists; *records* are lists of dictionaries. Empty means unknown. Entropies and KL are in nats.

This page is written by `python -m superficial dictionary docs/data.md` from `src/superficial/results/columns.yaml`.
"""


def main(words: Sequence[str]) -> int:
    """Write the page to each file; without one, print it."""
    for path in map(Path, words):
        path.write_text(page(), encoding="utf-8")
    if not words:
        sys.stdout.write(page())
    return 0


def page() -> str:
    """The page in Markdown: a section for each table."""
    return "\n".join([HEAD, *(_section(name, table) for name, table in tables().items())])


def _section(name: str, table: Table) -> str:
    rows = [f"| `{column}` | {kind} | {text} |" for column, (kind, text) in table.columns.items()]
    rows = [row.replace("||", "\\|\\|") for row in rows]
    about = f"`results/{table.path}`. A row: {table.row[0].lower()}{table.row[1:]}"
    return "\n".join([f"## {name}", "", about, "", "| column | type | holds |", "| --- | --- | --- |", *rows, ""])
