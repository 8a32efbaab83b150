"""Figure 2 of the paper: one response, every token in the colour of its category."""

import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from superficial.category import CATEGORIES
from superficial.errors import UserError
from superficial.figures.style import WIDTH, colours, save, set_style, shorten
from superficial.schema import FigureStage, PairTitle, RuntimeConfig
from superficial.table import read_table

MONO = "DejaVu Sans Mono"
SIZE = 7.4  # points
ADVANCE = 0.602 * SIZE / 72  # inches a character of that font is wide
SMALL = 0.74  # size of the base's token, relative to the response's
LINE = 0.31  # inches from line to line: response token above, base's preference below
COLUMNS = 76  # characters a line
LIST = 15  # frequent shifted tokens beside the response


@dataclass(frozen=True)
class Cell:
    """A token at its place: line and column, in characters."""

    line: int
    column: float
    width: float
    text: str
    category: str
    base: str


def run(cfg: FigureStage, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw one response of the first pair; below each shifted token stands what the base model prefers there."""
    started = time.monotonic()
    set_style()
    pair = cfg.pairs[0]
    table = read_table(results / "shifts" / cfg.dataset / pair.name / f"{cfg.context}.parquet")
    data = read_table(results / "data" / f"{cfg.dataset}.parquet").set_index("id")
    example = cfg.example if cfg.example is not None else typical_example(table, data)
    if example not in data.index:
        raise UserError(
            f"no instruction {example!r} in {cfg.dataset}", where="figure.example", remedy="give an id of it"
        )
    response = table[table["example_id"] == example]
    frequent = read_table(results / "stats" / cfg.dataset / pair.name / cfg.context / "tokens.csv").query(
        "order == 'count'"
    )
    shown = response.head(cfg.example_tokens)
    cells = layout(shown)
    _draw(cfg, pair, data.loc[example, "instruction"], response, cells, frequent, out, started)


def typical_example(table: pd.DataFrame, data: pd.DataFrame) -> str:
    """Id of the regular response (40 tokens or more, if there is one) whose shifted share is nearest to the median."""
    shifted = (table["category"] == "shifted").groupby(table["example_id"]).agg(["mean", "size"])
    regular = shifted[data.loc[shifted.index, "category"] == "regular"]
    for candidates in (regular[regular["size"] >= 40], regular, shifted):
        if len(candidates):
            distance = (candidates["mean"] - candidates["mean"].median()).abs()
            return str(distance.sort_index().idxmin())
    raise AssertionError("a token table has at least one example")


def layout(response: pd.DataFrame) -> list[Cell]:
    """Set the tokens in lines of COLUMNS characters; a line break in the response breaks the line."""
    cells: list[Cell] = []
    line, column = 0, 0.0
    for row in response.itertuples():
        text = str(row.token).replace("⏎⏎", "¶").replace("⏎", "¶")
        base = shorten(str(row.base_top_tokens[0]).replace(" ", "␣"), 12) if row.category == "shifted" else ""
        # A little air at the end keeps neighbours apart that the base's token would otherwise touch.
        width = max(len(text), SMALL * len(base) + 0.4 if base else 0.0)
        if column + width > COLUMNS and column > 0:
            line, column = line + 1, 0.0
        cells.append(Cell(line, column, width, text, str(row.category), base))
        column += width
        if "⏎" in str(row.token):
            line, column = line + 1, 0.0
    return cells


def _draw(
    cfg: FigureStage, pair: PairTitle, instruction: str, response: pd.DataFrame, cells: list[Cell],
    frequent: pd.DataFrame, out: Path, started: float,
) -> None:  # fmt: skip
    lines = cells[-1].line + 1
    height = max(lines * LINE, LIST * 0.15 + 0.3) + 0.1
    figure = plt.figure(figsize=(WIDTH, height + 0.95))
    scale = height + 0.95
    text_width = COLUMNS * ADVANCE
    axis = figure.add_axes((0.0, 0.0, text_width / WIDTH, height / scale))
    axis.set_xlim(0, text_width)
    axis.set_ylim(height, 0)
    axis.axis("off")
    for cell in cells:
        _draw_cell(axis, cell, colours(cfg)[cell.category])
    _draw_list(
        figure.add_axes((text_width / WIDTH + 0.02, 0, 0.98 - text_width / WIDTH, height / scale)),
        cfg,
        frequent,
        height,
    )
    counts = response["category"].value_counts(normalize=True).reindex(CATEGORIES, fill_value=0)
    handles = [Patch(color=colours(cfg)[name], label=f"{name} {100 * counts[name]:.0f} %") for name in CATEGORIES]
    figure.legend(
        handles=handles, ncols=3, frameon=False, loc="lower left", bbox_to_anchor=(-0.012, height / scale - 0.005)
    )
    head = "\n".join(textwrap.wrap(f"Instruction: {instruction}", 105, max_lines=2, placeholder=" …"))
    more = "" if len(cells) == len(response) else f", the first {len(cells)} shown"
    figure.text(
        0, 0.999, f"{pair.title}  ({cfg.dataset}; {len(response)} response tokens{more})", va="top", weight="bold"
    )
    figure.text(0, 0.999 - 0.16 / scale, head, va="top")
    figure.text(
        0, (height + 0.3) / scale, "Below a shifted token (base rank > 3): what the base model prefers there.",
        va="bottom", color="#444444",
    )  # fmt: skip
    table = pd.DataFrame([vars(cell) for cell in cells]).assign(position=response["position"].to_numpy()[: len(cells)])
    save(figure, table, out, cfg, started)


def _draw_cell(axis: Axes, cell: Cell, colour: str) -> None:
    left, top = cell.column * ADVANCE, cell.line * LINE + 0.03
    patch = Rectangle(
        (left, top), cell.width * ADVANCE, 0.155, facecolor=colour, alpha=0.85 if cell.base else 0.4,
        edgecolor="white", linewidth=0.8,
    )  # fmt: skip
    axis.add_patch(patch)
    dark = bool(cell.base)
    axis.text(left, top + 0.12, cell.text, family=MONO, fontsize=SIZE, color="white" if dark else "black")
    if cell.base:
        axis.text(left, top + 0.235, cell.base, family=MONO, fontsize=SMALL * SIZE, color=colour)


def _draw_list(axis: Axes, cfg: FigureStage, frequent: pd.DataFrame, height: float) -> None:
    axis.axis("off")
    axis.set_xlim(0, 1)
    axis.set_ylim(height, 0)
    axis.text(0, 0.12, "Frequent shifted\ntokens, all responses", weight="bold", va="center", fontsize=7)
    rows = frequent[frequent["category"] == "shifted"].head(LIST)
    for index, row in enumerate(rows.itertuples()):
        y = 0.42 + 0.15 * index
        axis.text(0, y, shorten(str(row.token).replace(" ", "␣"), 13), family=MONO, fontsize=7, color=cfg.shifted)
        axis.text(1, y, str(row[rows.columns.get_loc("count") + 1]), fontsize=7, ha="right")
    if rows.empty:
        axis.text(0, 0.42, "none", fontsize=7)
