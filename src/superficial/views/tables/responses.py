"""The table of answers: how long, how they end, and how often each method fails as section 3.1 of the paper says."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.markup import latex_text, markdown_text, minus
from superficial.artifacts.printed import Cell, latex_table, markdown_table, write_forms
from superficial.artifacts.table import read_table
from superficial.config.schema import ResponsesView, RuntimeConfig
from superficial.views.notes.responses import (
    COUNTED,
    THINKING_TITLES,
    TITLES,
    decoding,
    failures,
    instructions,
    near_ties,
    thinking,
)
from superficial.views.view import View

VIEW = View(
    category="Base models under prompts",
    title="Table: lengths and failures by method",
    text="What every method's answers look like.",
    slice="responses_table",
    files={"stats": "results/responses_stats/{dataset}.csv"},
)

SHOWN = {
    name: title for name, title in TITLES.items() if name != "runs_on"
} | THINKING_TITLES  # stopped says it already


def run(cfg: ResponsesView, runtime: RuntimeConfig, *, stats: Path, out: list[Path]) -> None:
    """Write the table as CSV (a row for each cell, titles and all measures), Markdown and LaTeX."""
    started = time.monotonic()
    table = titled(read_table(stats), cfg)
    write_forms(table, {".md": lambda: markdown(table, cfg), ".tex": lambda: latex(table, cfg)}, out)
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="tables/responses", config=config, inputs={"stats": stats}, started=started, facts={})


def titled(stats: pd.DataFrame, cfg: ResponsesView) -> pd.DataFrame:
    """The rows of `cfg.systems`, in that order, with the titles of model and method in front."""
    parts = []
    for system in cfg.systems:
        rows = stats[stats["system"] == system.name].fillna({"baseline": ""})
        parts.append(rows.copy())
        parts[-1].insert(0, "method", system.method)
        parts[-1].insert(0, "model", system.model)
    return pd.concat(parts, ignore_index=True)


def markdown(table: pd.DataFrame, cfg: ResponsesView) -> str:
    """A row for each system; below each value its interval, and its difference from zero-shot with an interval."""
    return "\n".join([*markdown_table(_header(table), _grid(table), left=2), "", markdown_text(note(table, cfg)), ""])


def latex(table: pd.DataFrame, cfg: ResponsesView) -> str:
    """The same as a tabular."""
    return "\n".join([*latex_table(_header(table), _grid(table), left=2), latex_text(note(table, cfg)), ""])


def note(table: pd.DataFrame, cfg: ResponsesView) -> str:
    """Data, decoding, definitions."""
    compared = "" if (table["baseline"] == "").all() else (
        " Δ: mean paired difference from the zero-shot answers of the pair's base model, in the column's unit."
    )  # fmt: skip
    return (
        f"Data: {cfg.data}, {instructions(table)}. {decoding(cfg)} In square brackets "
        f"{100 * cfg.confidence:g} % intervals, bootstrap over instructions.{compared} Means over all instructions. "
        "Tokens include those that decided the end. Stopped: an end token or a stop rule of the method (closing fence, "
        "made-up query) came before the limit. Echo: longest run of words in both query and beginning of the answer. "
        f"{failures(cfg)} {near_ties(table)} A dash: nothing known. {thinking(table)}"
    ).strip()


def _shown(table: pd.DataFrame) -> list[str]:
    """Measures that are shown: those of thinking only where some response thinks."""
    there = set(table["measure"])
    return [name for name in SHOWN if name in there]


def _header(table: pd.DataFrame) -> list[str]:
    return ["model", "method", *(SHOWN[name] for name in _shown(table))]


def _grid(table: pd.DataFrame) -> Iterator[list[Cell]]:
    """Model, method, and for each measure shown the lines of its cell."""
    shown = _shown(table)
    for _, rows in table.groupby("system", sort=False):
        cells = {row["measure"]: _cell(row) for row in rows.to_dict("records")}
        yield [rows["model"].iloc[0], rows["method"].iloc[0], *(cells[name] for name in shown)]


def _cell(row: dict[str, Any]) -> list[str]:
    if pd.isna(row["mean"]):
        return ["–"]
    factor = 1 if row["measure"] in COUNTED else 100

    def number(name: str, sign: str = "") -> str:
        # Rounding first, so that nothing is shown as minus zero.
        return minus(f"{round(factor * row[name], 1) + 0.0:{sign}.1f}")

    lines = [number("mean"), f"[{number('ci_low')}, {number('ci_high')}]"]
    if not pd.isna(row["difference"]):
        value, low, high = (number(f"difference{end}", "+") for end in ("", "_low", "_high"))
        lines += [f"Δ {value}", f"[{low}, {high}]"]
    return lines
