"""The table of the search: how near each prompt brings the base to the aligned model, on both halves."""

import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.markup import latex_text
from superficial.artifacts.printed import Cell, latex_table, markdown_table, with_interval, write_forms
from superficial.config.schema import RuntimeConfig, SearchTable
from superficial.probes.search.halves import HALVES
from superficial.shift.statistics.of_pairs import files_of_pairs, of_pairs
from superficial.views.notes.contexts import TOO_FEW
from superficial.views.notes.prompt_search import cost, counted, sentences
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="Table: which examples bring the base nearest",
    text=(
        "Divergence from the aligned model without examples, with the method's own and with those that were found, on"
        " the half that was searched on and on the other; the gain, and what the search cost."
    ),
    slice="search_table",
    reads=["results/stats/{dataset}/{pair}/{context}/prompt_search.csv"],
    part_of=[],  # some thirty scorings
)

HEADER = (
    "pair", "prompt", "examples, the last next to the query", "KL, search half", "KL, test half",
    "gain, test half, nats", "gain, %",
)  # fmt: skip
PROMPTS = {"none": "{}, without examples", "default": "{}", "found": "{}, found"}


def run(cfg: SearchTable, runtime: RuntimeConfig, *, results: Path, out: list[Path]) -> None:
    """Write all rows as CSV, and a row for each prompt as Markdown and LaTeX, with what they say."""
    started = time.monotonic()
    inputs, table = files_of_pairs(cfg, results, "prompt_search"), of_pairs(cfg, results, "prompt_search")
    write_forms(table, {".md": lambda: markdown(table, cfg), ".tex": lambda: latex(table, cfg)}, out)
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="tables/prompt_search", config=config, inputs=inputs, started=started, facts={})


def markdown(table: pd.DataFrame, cfg: SearchTable) -> str:
    """A row for each prompt; below each value its interval."""
    return "\n".join([*markdown_table(HEADER, _grid(table, cfg), left=3), "", note(table, cfg), ""])


def latex(table: pd.DataFrame, cfg: SearchTable) -> str:
    """The same as a tabular."""
    return "\n".join([*latex_table(HEADER, _grid(table, cfg), left=3), latex_text(note(table, cfg)), ""])


def note(table: pd.DataFrame, cfg: SearchTable) -> str:
    """Data, definitions, the finding in words, and the cost."""
    said = []
    for pair in cfg.pairs:
        rows = table[table["pair"] == pair.name]
        told = " ".join(sentences(rows, cfg.method, cfg.min_examples, cfg.confidence))
        sizes = rows[rows["measure"] == "kl"].drop_duplicates("half").set_index("half")
        counts = "; ".join(
            f"{name} half {sizes.at[name, 'examples']:.0f} responses, {sizes.at[name, 'tokens']:,.0f} tokens"
            for name in HALVES
        )
        said.append(f"{pair.title}: {told} Sizes: {counts}. Cost of the search: {cost(rows)}.")
    return (
        f"Data: {cfg.data}. KL(aligned, base under the prompt) over the whole vocabulary, nats, mean over "
        f"{counted(cfg.max_positions)}. Greedy "
        "search: the next example is the one under which the KL of the search half is least; it goes behind those "
        "chosen before, next to the query. What it saw itself (search half) flatters the found prompt; the test half "
        f"took no part. Gain: KL of {cfg.method} less that of the prompt. In square brackets "
        f"{100 * cfg.confidence:g} % intervals, paired bootstrap over responses. {' '.join(said)}"
    )


def _grid(table: pd.DataFrame, cfg: SearchTable) -> Iterator[list[Cell]]:
    """Pair, prompt, its examples, and for each column the lines of its cell."""
    for pair in cfg.pairs:
        rows = table[table["pair"] == pair.name].set_index(["half", "prompt", "measure"])
        for prompt, title in PROMPTS.items():
            shown = rows.loc[("test", prompt, "kl"), "shown"]
            yield [
                pair.title, title.format(cfg.method), "" if pd.isna(shown) else str(shown),
                *(_cell(rows, (half, prompt, "kl"), 1, 3, cfg.min_examples) for half in HALVES),
                _cell(rows, ("test", prompt, "gain"), 1, 3, cfg.min_examples),
                _cell(rows, ("test", prompt, "gain_share"), 100, 1, cfg.min_examples),
            ]  # fmt: skip


def _cell(rows: pd.DataFrame, key: tuple[str, ...], factor: int, digits: int, enough: int) -> list[str]:
    if key not in rows.index:
        return [""]
    if rows.loc[key, "examples"] < enough:
        return [TOO_FEW]
    return with_interval(rows.loc[key], factor, digits)
