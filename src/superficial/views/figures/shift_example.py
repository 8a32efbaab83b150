"""Figure 2 of the paper: one response, every token in the colour of its category."""

import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from superficial.artifacts.errors import UserError
from superficial.artifacts.table import read_rows, read_table
from superficial.config.schema import FigureStage, RuntimeConfig
from superficial.data.dialogue import answered_queries
from superficial.shift.category import CATEGORIES
from superficial.shift.kinds.classify import KINDS
from superficial.shift.kinds.language import WORDS, kinds_hold
from superficial.shift.statistics.token_table import TokenTable
from superficial.views.figures.letters import MONO, advance, families, has
from superficial.views.figures.prose import drawable, lines
from superficial.views.figures.style import colours, interval, percent, save, set_style, shorten, width
from superficial.views.notes.caption import data as data_note
from superficial.views.notes.names import kind_name
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="A response, token by token",
    text=(
        "One response of the aligned model. The colour of a token is its category under the base model; below a"
        " shifted token stands what the base model would have said. Beside it the tokens that shift most."
    ),
    paper="Figure 2",
    reads=[
        "results/data/{dataset}.parquet",
        "results/shifts/{dataset}/{pair}/{context}.parquet",
        "results/kinds/{dataset}/{pair}/{context}.parquet",
        "results/stats/{dataset}/{pair}/{context}/ratios.csv",
        "results/stats/{dataset}/{pair}/{context}/tokens.csv",
        "results/stats/{dataset}/{pair}/{context}/kinds.csv",
    ],
)

SHOWN = ["position", "token", "category", "base_top_tokens"]  # of the token table, what a response shows
SIZE = 7.4  # points
ADVANCE = 0.602 * SIZE / 72  # inches a character of that font is wide
SMALL = 0.74  # size of the base's token, relative to the response's
TOP, BOX = 0.075, 0.155  # inches of a line: the mark of the kind, then the response token, the base's preference below
LINE = 0.355  # inches from line to line
LEFT = 0.04  # inches of white at both sides
MARKED = 3  # kinds in a row of the legend, in one column
COLUMNS = 76  # characters a line
LIST = 15  # frequent shifted tokens beside the response, at most
MARKS = {"style": "o", "safety": "^", "content": "s", "function": "D", "number": "P", "punctuation": "_", "end": "X"}
UNTOLD = ""  # the kind of a word in another language than English


@dataclass(frozen=True)
class Cell:
    """A token at its place: line and column, in characters."""

    line: int
    column: float
    width: float
    text: str
    category: str
    kind: str
    base: str


def run(cfg: FigureStage, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw one response of the first pair; over each shifted token stands its kind, below it what the base prefers."""
    started = time.monotonic()
    set_style()
    pair = cfg.pairs[0]
    shifts, kinds = (
        results / part / cfg.dataset / pair.name / f"{cfg.context}.parquet" for part in ("shifts", "kinds")
    )
    table = TokenTable.open(shifts)
    data = read_table(results / "data" / f"{cfg.dataset}.parquet").set_index("id")
    example = cfg.example if cfg.example is not None else typical_example(table, data)
    if example not in data.index:
        raise UserError(
            f"no instruction {example!r} in {cfg.dataset}", where="figure.example", remedy="give an id of it"
        )
    at = table.ids.index(example)
    start, stop = int(table.starts[at]), int(table.starts[at] + table.lengths[at])
    response = read_rows(shifts, SHOWN, start, stop)
    response["kind"] = read_rows(kinds, ["kind"], start, stop)["kind"].astype(str)
    stats = results / "stats" / cfg.dataset / pair.name / cfg.context
    if not kinds_hold(read_table(stats / "kinds.csv")):
        response.loc[response["kind"].isin(WORDS), "kind"] = UNTOLD
    ratios = read_table(stats / "ratios.csv").query("level == 'pooled'").set_index("category")
    frequent = read_table(stats / "tokens.csv").query("order == 'count' and category == 'shifted'").head(LIST)
    beside, across = cfg.columns == 2, width(cfg)
    limit = COLUMNS if beside else int((across - 2 * LEFT) / ADVANCE)
    cells = layout(response.head(cfg.example_tokens), limit)
    text = (cells[-1].line + 1) * LINE  # inches
    seen = frequent.head(max(10, int((text - 0.4) / 0.15)))
    listed = len(seen) * 0.15 + 0.4
    height = max(text, listed) + 0.1 if beside else text + listed + 0.1
    asked = _instruction(answered_queries(data.reset_index())[example], across)
    counts = response.loc[response["category"] == "shifted", "kind"].value_counts()
    rows = 1 if beside else -(-len(counts) // MARKED)  # of marks
    head = (0.56 if beside else 0.68) + 0.17 * rows
    figure = plt.figure(figsize=(across, height + head + 0.135 * len(asked)))
    axis = _inches(figure, LEFT, limit * ADVANCE, height)
    for cell in cells:
        _draw_cell(axis, cell, colours(cfg)[cell.category])
    from_left = LEFT + limit * ADVANCE + 0.14
    place = (from_left, across - from_left - LEFT, height) if beside else (LEFT, across - 2 * LEFT, listed)
    _draw_list(_inches(figure, *place), cfg, seen)
    figure.text(LEFT / across, 1, "\n".join(asked), va="top")
    _draw_legends(figure, cfg, response, ratios, height, rows)
    shown = pd.DataFrame([vars(cell) for cell in cells]).assign(position=response["position"].to_numpy()[: len(cells)])
    overall = ratios.reset_index()[["category", "share", "low", "high", "tokens", "examples"]].assign(
        text="all responses"
    )
    drawn = pd.concat([shown, overall, frequent.assign(text="all responses")], ignore_index=True)
    save(figure, drawn, out, cfg, started, VIEW, _told(cfg, example, response, len(cells), ratios))


def typical_example(table: TokenTable, data: pd.DataFrame) -> str:
    """Id of the regular response (40 tokens or more, if there is one) whose shifted share is nearest to the median."""
    share = table.category_counts[:, CATEGORIES.index("shifted")] / table.lengths
    shifted = pd.DataFrame({"mean": share, "size": table.lengths}, index=table.ids)
    regular = shifted[data.loc[shifted.index, "category"] == "regular"]
    for candidates in (regular[regular["size"] >= 40], regular, shifted):
        if len(candidates):
            distance = (candidates["mean"] - candidates["mean"].median()).abs()
            return str(distance.sort_index().idxmin())
    raise AssertionError("a token table has at least one example")


def layout(response: pd.DataFrame, limit: int = COLUMNS) -> list[Cell]:
    """Set the tokens in lines of `limit` characters; a line break in the response breaks the line."""
    cells: list[Cell] = []
    line, column = 0, 0.0
    for row in response.itertuples():
        text = str(row.token).replace("⏎⏎", "¶").replace("⏎", "¶")
        base = shorten(str(row.base_top_tokens[0]).replace(" ", "␣"), 12) if row.category == "shifted" else ""
        # A little air at the end keeps neighbours apart that the base's token would otherwise touch.
        wide = max(columns(text), SMALL * columns(base) + 0.4 if base else 0.0)
        if column + wide > limit and column > 0:
            line, column = line + 1, 0.0
        cells.append(Cell(line, column, wide, text, str(row.category), str(row.kind), base))
        column += wide
        if "⏎" in str(row.token):
            line, column = line + 1, 0.0
    return cells


def columns(text: str) -> float:
    """Width of `text` in letters of MONO; those of other fonts may be wider."""
    if all(has(char, MONO) for char in text):
        return len(text)
    return sum(advance(char, MONO) * SIZE / 72 / ADVANCE for char in text)


def _inches(figure: Figure, left: float, width: float, height: float) -> Axes:
    """An empty panel at the foot of the figure whose units are inches from its upper left corner."""
    size = figure.get_size_inches()
    axis = figure.add_axes((left / size[0], 0, width / size[0], height / size[1]))
    axis.set_xlim(0, width)
    axis.set_ylim(height, 0)
    axis.axis("off")
    return axis


def _instruction(instruction: str, across: float) -> list[str]:
    """What was asked, in lines of `across` inches."""
    asked, most = f"Instruction: {instruction}", 2 if across > 4 else 4
    if not families(asked):
        return textwrap.wrap(asked, int(15 * across), max_lines=most, placeholder=" …")
    wrapped = lines(drawable(" ".join(asked.split())), across, 8)  # letters of other widths
    if len(wrapped) > most:
        wrapped[most - 1] = shorten(wrapped[most - 1], len(wrapped[most - 1]) - 1) + " …"
    return wrapped[:most]


def _told(cfg: FigureStage, example: str, response: pd.DataFrame, cells: int, ratios: pd.DataFrame) -> list[str]:
    """How to read the marks and numbers."""
    more = "" if cells == len(response) else f", the first {cells} shown"
    untold = (response["kind"] == UNTOLD).any()
    counts = "beside the marks: how many there are in this response."
    kinds = "with counts; words have a kind in English only." if untold else counts
    return [
        f"{cfg.pairs[0].title}; instruction {example}, {len(response)} response tokens{more}.",
        data_note(cfg),
        f"Above a shifted token (base rank > 3) stands its kind, below it what the base prefers there; {kinds}",
        f"In brackets: {interval(cfg)}s over all n = {int(ratios['examples'].max()):,} responses, bootstrap over them; "
        "an open box is a space.",
    ]


def _draw_legends(
    figure: Figure, cfg: FigureStage, response: pd.DataFrame, ratios: pd.DataFrame, height: float, rows: int
) -> None:
    """Colours with the shares of this response and of all; marks with this response's shifted tokens of each kind."""
    here = response["category"].value_counts(normalize=True).reindex(CATEGORIES, fill_value=0)
    found = {name: ratios.loc[name, ["share", "low", "high"]].astype(float) for name in CATEGORIES}
    beside, across = cfg.columns == 2, width(cfg)
    between = "\n" if beside else ", "
    patches = [
        Patch(
            color=colours(cfg)[name],
            label=f"{name}: here {100 * here[name]:.0f} %{between}all {percent(*found[name])}",
        )
        for name in CATEGORIES
    ]
    counts = response.loc[response["category"] == "shifted", "kind"].value_counts()
    marks = [
        Line2D([], [], linestyle="", label=f"{kind_name(name)} {counts[name]}", **_mark(name))
        for name in KINDS
        if name in counts.index
    ]
    shape: dict[str, Any] = {
        "frameon": False,
        "loc": "lower left",
        "borderaxespad": 0,
        "handletextpad": 0.5,
        "columnspacing": 1.2,
    }
    scale = figure.get_size_inches()[1]
    place, above = LEFT / across, height + 0.1 + 0.17 * rows
    figure.legend(handles=patches, ncols=3 if beside else 1, bbox_to_anchor=(place, above / scale), **shape)
    shape |= {"handlelength": 0.8, "handletextpad": 0.3}
    ncols = len(KINDS) if beside else MARKED
    figure.legend(handles=marks, ncols=ncols, bbox_to_anchor=(place, (height + 0.04) / scale), **shape)


def _mark(kind: str) -> dict[str, Any]:
    """How the mark of a kind looks."""
    return {
        "marker": MARKS[kind],
        "markersize": 3,
        "color": "#222222",
        "markeredgewidth": 1 if kind == "punctuation" else 0,
    }


def _draw_cell(axis: Axes, cell: Cell, colour: str) -> None:
    left, top = cell.column * ADVANCE, cell.line * LINE + TOP
    patch = Rectangle(
        (left, top), cell.width * ADVANCE, BOX, facecolor=colour, alpha=0.85 if cell.base else 0.4,
        edgecolor="white", linewidth=0.8,
    )  # fmt: skip
    axis.add_patch(patch)
    axis.text(left, top + 0.12, cell.text, family=MONO, fontsize=SIZE, color="white" if cell.base else "black")
    if cell.base:
        if cell.kind != UNTOLD:
            axis.plot(left + cell.width * ADVANCE / 2, top - 0.035, linestyle="", **_mark(cell.kind))
        axis.text(left, top + 0.235, cell.base, family=MONO, fontsize=SMALL * SIZE, color=colour)


def _draw_list(axis: Axes, cfg: FigureStage, frequent: pd.DataFrame) -> None:
    axis.text(0, 0.12, "Frequent shifted tokens,\nall responses: count", weight="bold", va="center", fontsize=7)
    right = axis.get_xlim()[1]
    for index, (_, row) in enumerate(frequent.iterrows()):
        y = 0.42 + 0.15 * index
        shown = shorten(str(row["token"]).replace(" ", "␣"), 13)
        axis.text(0, y, shown, family=MONO, fontsize=7, color=cfg.shifted)
        count = f"{row['count']:,.0f} [{row['count_low']:,.0f}, {row['count_high']:,.0f}]"
        axis.text(right, y, count, fontsize=7, ha="right")
    if frequent.empty:
        axis.text(0, 0.42, "none", fontsize=7)
