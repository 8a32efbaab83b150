"""The table of models that think: how their thinking and their answers shift, each for itself."""

import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.markup import latex_text, markdown_text
from superficial.artifacts.printed import Cell, latex_table, markdown_table, with_interval, write_forms
from superficial.config.schema import PairsTable, RuntimeConfig
from superficial.shift.columns.thinking import PARTS
from superficial.shift.statistics.of_pairs import files_of_pairs, of_pairs
from superficial.views.notes.contexts import TOO_FEW
from superficial.views.notes.names import NO_KINDS
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="Table: thinking and answers apart",
    text="Where a model thinks before it answers: how much of either part shifts, how far, and which kinds of token.",
    slice="pairs_table",
    reads=["results/stats/{dataset}/{pair}/{context}/columns/thinking.csv"],
    part_of=[],
)

COLUMNS = {
    "tokens, %": "share_of_tokens",
    "unshifted, %": "unshifted",
    "marginal, %": "marginal",
    "shifted, %": "shifted",
    "KL(aligned, base), nats": "kl_aligned_base",
}
HEADER = ("pair", "part", "kind", "number of tokens", *COLUMNS)


def run(cfg: PairsTable, runtime: RuntimeConfig, *, results: Path, out: list[Path]) -> None:
    """Write all rows as CSV; as Markdown and LaTeX a row for each part, and one below it for each kind of token."""
    started = time.monotonic()
    inputs, table = files_of_pairs(cfg, results, "columns/thinking"), of_pairs(cfg, results, "columns/thinking")
    write_forms(table, {".md": lambda: markdown(table, cfg), ".tex": lambda: latex(table, cfg)}, out)
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="tables/thinking", config=config, inputs=inputs, started=started, facts={})


def markdown(table: pd.DataFrame, cfg: PairsTable) -> str:
    """Below each value its interval."""
    return "\n".join([*markdown_table(HEADER, _grid(table, cfg), left=3), "", markdown_text(note(table, cfg)), ""])


def latex(table: pd.DataFrame, cfg: PairsTable) -> str:
    """The same as a tabular."""
    return "\n".join([*latex_table(HEADER, _grid(table, cfg), left=3), latex_text(note(table, cfg)), ""])


def note(table: pd.DataFrame, cfg: PairsTable) -> str:
    """Data, definitions, and which pairs do not think."""
    whole = table[(table["kind"] == "all") & (table["measure"] == "share_of_tokens")]
    silent = [pair.title for pair in cfg.pairs if set(whole["part"][whole["pair"] == pair.name]) == {PARTS[0]}]
    unnamed = [pair.title for pair in cfg.pairs if set(table["kind"][table["pair"] == pair.name]) == {"all"}]
    language = f" {', '.join(unnamed)}: {NO_KINDS}" if unnamed else ""
    without = f" No response thinks: {', '.join(silent)}." if silent else ""
    return (
        f"Data: {cfg.dataset}. Thinking: the tokens of a response before its answer, with the markers around them. "
        "Tokens: share of all response tokens, for a kind of those of its part. In square brackets "
        f"{100 * cfg.confidence:g} % intervals, bootstrap over responses; {TOO_FEW}: fewer than {cfg.min_examples} "
        f"responses.{without}{language}"
    )


def _grid(table: pd.DataFrame, cfg: PairsTable) -> Iterator[list[Cell]]:
    """Pair, part, kind, tokens, and for each column the lines of its cell."""
    for pair in cfg.pairs:
        found = table[table["pair"] == pair.name]
        for part in reversed(PARTS):
            for kind, rows in found[found["part"] == part].groupby("kind", sort=False):
                cells = rows.set_index("measure")
                enough = cells["examples"].iloc[0] >= cfg.min_examples
                shown = [
                    with_interval(cells.loc[name], *((1, 3) if name.startswith("kl") else (100, 1)))
                    if enough
                    else [TOO_FEW]
                    for name in COLUMNS.values()
                ]
                yield [pair.title, part, str(kind), f"{int(cells['tokens'].iloc[0]):,}", *shown]
