"""The table of contexts: what each recovers of the shift, over all tokens and by kind."""

import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.markup import latex_text
from superficial.artifacts.printed import Cell, latex_table, markdown_table, with_interval, write_forms
from superficial.config.schema import ContextsTable, RuntimeConfig
from superficial.probes.contexts.recovery import ALIGNED
from superficial.shift.statistics.of_pairs import files_of_pairs, of_pairs
from superficial.views.notes.contexts import TOO_FEW, by_kind, sentences
from superficial.views.notes.names import NOT_ENGLISH
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="Table: how much of the shift prompts recover",
    text="What each further context of the base closes of the divergence, which tokens it recovers and which it loses.",
    slice="contexts_table",
    reads=["results/stats/{dataset}/{pair}/{context}/recovery.csv"],
)

# Column -> grouping, group and measure of the recovery table.
COLUMNS = {
    "KL, nats": ("all", "all", "kl"),
    "KL closed, %": ("all", "all", "kl_closed"),
    "of style": ("kind", "style", "kl_closed"),
    "of safety": ("kind", "safety", "kl_closed"),
    "of content": ("kind", "content", "kl_closed"),
    "recovered, %": ("all", "all", "recovered"),
    "lost, %": ("all", "all", "lost"),
    "unshifted, %": ("all", "all", "unshifted"),
}
HEADER = ("pair", "context", *COLUMNS)


def run(cfg: ContextsTable, runtime: RuntimeConfig, *, results: Path, out: list[Path]) -> None:
    """Write all rows as CSV, and as Markdown and LaTeX those over all tokens and by kind, with what they say."""
    started = time.monotonic()
    inputs, table = files_of_pairs(cfg, results, "recovery"), of_pairs(cfg, results, "recovery")
    write_forms(table, {".md": lambda: markdown(table, cfg), ".tex": lambda: latex(table, cfg)}, out)
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="tables/urial_recovery", config=config, inputs=inputs, started=started, facts={})


def markdown(table: pd.DataFrame, cfg: ContextsTable) -> str:
    """A row for each context; below each value its interval."""
    return "\n".join([*markdown_table(HEADER, _grid(table, cfg), left=2), "", note(table, cfg), ""])


def latex(table: pd.DataFrame, cfg: ContextsTable) -> str:
    """The same as a tabular."""
    return "\n".join([*latex_table(HEADER, _grid(table, cfg), left=2), latex_text(note(table, cfg)), ""])


def note(table: pd.DataFrame, cfg: ContextsTable) -> str:
    """Data, definitions, and the headline in words."""
    said = []
    for pair in cfg.pairs if cfg.contexts[1:] else []:
        rows = table[table["pair"] == pair.name]
        said.append(f"{pair.title}: {' '.join(sentences(rows, cfg.contexts[-1], cfg.min_examples))} ")
    every = table[(table["grouping"] == "all") & (table["measure"] == "kl")].drop_duplicates("pair")
    counts = ", ".join(f"{row.examples:,} responses and {row.tokens:,} tokens" for row in every.itertuples())
    return (
        f"Data: {cfg.data}; {counts}. KL(aligned, context) over the whole vocabulary; closed: its share of the KL "
        f"under {cfg.contexts[0].title} that is gone. Recovered: of the tokens shifted there, those that are the first "
        "choice; lost: of the first choices there, those that no longer are. In square brackets "
        f"{100 * cfg.confidence:g} % intervals, bootstrap over responses; {TOO_FEW}: fewer than {cfg.min_examples} "
        f"responses. {''.join(said)}"
    ).strip()


def _grid(table: pd.DataFrame, cfg: ContextsTable) -> Iterator[list[Cell]]:
    """Pair, context, and for each column the lines of its cell."""
    titles = {context.name: context.title for context in cfg.contexts} | {ALIGNED: "Aligned model"}
    for pair in cfg.pairs:
        mine = table[table["pair"] == pair.name]
        rows, kinds = mine.set_index(["context", "grouping", "group", "measure"]), by_kind(mine)
        for name, title in titles.items():
            told = {key: _cell(rows, (name, *key), cfg.min_examples) for key in COLUMNS.values()}
            if not kinds:
                told |= {key: [NOT_ENGLISH] for key in told if key[0] == "kind"}
            yield [pair.title, title, *told.values()]


def _cell(rows: pd.DataFrame, key: tuple[str, ...], enough: int) -> list[str]:
    if key not in rows.index or rows.loc[key, "examples"] < enough or pd.isna(rows.loc[key, "value"]):
        return [TOO_FEW]
    factor, digits = (1, 2) if key[-1] == "kl" else (100, 1)
    return with_interval(rows.loc[key], factor, digits)
