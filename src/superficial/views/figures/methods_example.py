"""One instruction, every method side by side (Figure 5 and appendix B of the paper)."""

import re
import time
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from superficial.artifacts.table import read_table
from superficial.config.schema import MethodsExample, RuntimeConfig
from superficial.data.dialogue import answered_queries
from superficial.inference.finish_reason import EOS, LENGTH, STOP
from superficial.judging.responses.example import pick_example
from superficial.judging.responses.failures import FAILURES
from superficial.views.figures.prose import FAMILY, drawable, lines
from superficial.views.figures.style import EDGE, save, set_style, shorten, width
from superficial.views.notes.responses import TITLES, decoding
from superficial.views.view import View

VIEW = View(
    category="Base models under prompts",
    title="One instruction under every method",
    text="What the base model answers under each prompt, and the aligned model beside it.",
    paper="Figure 5",
    slice="methods_example",
)

SIZE = 6.37  # points
LINE = 0.117  # inches from line to line
WORDS, LINES = 120, 34  # of an answer that are shown
GAP, PAD = 0.06, 0.05  # inches between panels, and inside of them
HEAD = 0.63  # inches of a panel above its text
DOES_NOT_STOP = TITLES["runs_on"].removesuffix(", %")
GREY = "0.35"
ENDS = {EOS: "ended by itself", STOP: "ended by the stop rule", LENGTH: "cut at the limit"}


def run(
    cfg: MethodsExample, runtime: RuntimeConfig, *, data: Path, answers: Path, responses: Path | list[Path], out: Path
) -> None:
    """Draw the answers to one instruction; the files of responses stand in the order of `cfg.systems`."""
    started = time.monotonic()
    set_style()
    facts = read_table(answers)
    files = [responses] if isinstance(responses, Path) else responses
    example, why = pick_example(facts[facts["system"].isin([system.name for system in cfg.systems])], cfg)
    texts = {
        system.name: read_table(path).set_index("id").loc[example, "text"]
        for system, path in zip(cfg.systems, files, strict=True)
    }
    instruction = str(answered_queries(read_table(data))[example])
    columns = min(len(cfg.systems), 2 if len(cfg.systems) in (2, 4) else 3) if cfg.columns == 2 else 1
    wide = (width(cfg) - 2 * EDGE - GAP * (columns - 1)) / columns
    table = _table(cfg, facts[facts["id"] == example].set_index("system"), texts, wide - 2 * PAD)
    figure = _draw(cfg, table, columns, wide, instruction)
    shown = f"Shown: at most {WORDS} words and {LINES} lines, without what a stop rule cut off."
    told = [f"The instruction is {example}, {why}. Data: {cfg.data}.", f"{shown} {decoding(cfg)}"]
    save(figure, table, out, cfg, started, VIEW, told)


def _table(cfg: MethodsExample, facts: pd.DataFrame, texts: dict[str, str], width: float) -> pd.DataFrame:
    """One row for each system: model, method, words, finish_reason, failures, shown (as drawn) and the whole text."""
    rows = []
    for system in cfg.systems:
        found, text = facts.loc[system.name], texts[system.name]
        rows.append(
            {
                "model": system.model,
                "method": system.method,
                "words": 0
                if pd.isna(found["words"])
                else int(found["words"]),  # without answer: it ends in its thinking
                "finish_reason": found["finish_reason"],
                "failures": "; ".join(TITLES[name].removesuffix(", %") for name in FAILURES if found[name] == 1),
                "shown": "\n".join(shown(text, width)),
                "text": text,
            }
        )
    return pd.DataFrame(rows)


def shown(text: str, width: float) -> list[str]:
    """The beginning of an answer in lines of `width` inches: at most WORDS words and LINES lines, then an ellipsis."""
    words = list(re.finditer(r"\S+", text))
    end = words[WORDS - 1].end() if len(words) > WORDS else len(text)
    found = lines(drawable(text[:end] + (" …" if end < len(text.rstrip()) else "")), width, SIZE)
    return found if len(found) <= LINES else [*found[: LINES - 1], "…"]


def _draw(cfg: MethodsExample, table: pd.DataFrame, columns: int, wide: float, instruction: str) -> Figure:
    across = width(cfg)
    heights = [HEAD + PAD + LINE * max(1, text.count("\n") + 1) for text in table["shown"]]
    rows = [max(heights[at : at + columns]) for at in range(0, len(heights), columns)]
    query = lines(drawable(instruction), across - 2 * EDGE, 8)
    query = query if len(query) <= 5 else [*query[:4], "…"]
    top = 0.2 + 0.15 * len(query) + 0.1
    total = top + sum(rows) + GAP * (len(rows) - 1)
    figure = plt.figure(figsize=(across, total))
    figure.text(EDGE / across, 1, "Query", weight="bold", va="top")
    figure.text(EDGE / across, 1 - 0.18 / total, "\n".join(query), va="top", fontsize=8, family=FAMILY, linespacing=1.2)
    edge = top
    for index, row in enumerate(table.to_dict("records")):
        place, height = index % columns, rows[index // columns]
        axis = figure.add_axes(
            ((EDGE + place * (wide + GAP)) / across, 1 - (edge + height) / total, wide / across, height / total)
        )
        _panel(axis, {str(key): str(value) for key, value in row.items()}, cfg, wide, height)
        if place == columns - 1:
            edge += height + GAP
    return figure


def _panel(axis: Axes, row: dict[str, str], cfg: MethodsExample, width: float, height: float) -> None:
    """A frame; method, model, how long and how it ended, failures in the colour of shifted tokens; the answer."""
    axis.set_xlim(0, width)
    axis.set_ylim(height, 0)
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(True)
        spine.set_color("0.75")
    axis.axhspan(0, HEAD - 0.06, color="0.955", linewidth=0)
    characters = int(width / 0.058)
    axis.text(PAD, 0.14, shorten(row["method"], int(width / 0.075)), weight="bold", fontsize=7.6, va="center")
    cut, found = row["finish_reason"] == LENGTH, row["failures"]
    below = (
        (row["model"], GREY),
        (
            f"{row['words']} word{'s' * (row['words'] != '1')}, {ENDS[row['finish_reason']]}",
            cfg.shifted if cut else GREY,
        ),
        # That it does not stop is said by how it ended.
        (
            found.replace(DOES_NOT_STOP, "").strip("; ") if found else "none of the four failures",
            cfg.shifted if found else GREY,
        ),
    )
    for (text, colour), place in zip(below, (0.275, 0.385, 0.495), strict=True):
        axis.text(PAD, place, shorten(drawable(text), characters), fontsize=6.2, va="center", color=colour)
    for index, line in enumerate(row["shown"].split("\n") if row["shown"] else ["(empty)"]):
        colour = "black" if row["shown"] else "0.5"
        axis.text(PAD, HEAD + 0.07 + LINE * index, line, fontsize=SIZE, va="center", family=FAMILY, color=colour)
