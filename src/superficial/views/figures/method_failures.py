"""The four failures of section 3.1 of the paper, by method: how often, and with which interval."""

import time
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from superficial.artifacts.table import read_table
from superficial.config.schema import FailuresFigure, RuntimeConfig
from superficial.judging.responses.failures import FAILURES
from superficial.views.figures.style import EDGE, interval, pair_colour, save, set_style, shorten, width
from superficial.views.notes.responses import TITLES, decoding, failures, instructions
from superficial.views.tables.responses import titled
from superficial.views.view import View

VIEW = View(
    category="Base models under prompts",
    title="How answers of the methods go wrong",
    text="Share of answers that run on to the limit, loop, repeat the query or invent further ones, by method.",
    slice="failures_figure",
    files={"stats": "results/responses_stats/{dataset}.csv"},
)

SHOWN = (*FAILURES, "fails")
LABELS = 1.45  # inches, left of the panels
GAP = 0.17  # inches between panels
ROW = 0.31  # inches: the numbers above, the bar below
NUMBERS, LOW = 0.75, 0.19  # inches: in one column the numbers stand beside the bar, and the row is so low


def run(cfg: FailuresFigure, runtime: RuntimeConfig, *, stats: Path, out: Path) -> None:
    """A panel for each failure and one for any of them; a row for each method, below the title of its model."""
    started = time.monotonic()
    set_style()
    table = titled(read_table(stats), cfg)
    table = table[table["measure"].isin(SHOWN)].reset_index(drop=True)
    rows = _rows(cfg)
    last, beside = max(rows.values()) + 1, cfg.columns == 2
    foot, high = 0.42, (ROW if beside else LOW) * last  # inches
    across, height = width(cfg), foot + (high + 0.2 if beside else (high + 0.25) * len(SHOWN))
    wide = across - LABELS - NUMBERS
    if beside:
        wide = (across - 2 * EDGE - LABELS - GAP * (len(SHOWN) - 1)) / len(SHOWN)
    figure = plt.figure(figsize=(across, height))
    for index, measure in enumerate(SHOWN):
        left = LABELS + (index * (wide + GAP) if beside else 0)
        below = foot + (0 if beside else (len(SHOWN) - 1 - index) * (high + 0.25))
        axis = figure.add_axes((left / across, below / height, wide / across, high / height))
        _draw(axis, cfg, table[table["measure"] == measure].set_index("system"), rows)
        axis.set_title(TITLES[measure].removesuffix(", %"), fontsize=7.5, pad=4, loc="left")
        axis.set_ylim(last, 0)
        if index == 0 or not beside:
            _label(axis, cfg, rows)
        if not beside and index < len(SHOWN) - 1:
            axis.set_xticklabels([])
    middle = (LABELS + (across if beside else across - NUMBERS)) / 2
    figure.text(middle / across, 0.05 / height, "% of answers", ha="center", va="bottom", fontsize=8)
    told = [
        f"Data: {cfg.data}, {instructions(table)}.",
        f"{failures(cfg)} {decoding(cfg)} Brackets and whiskers: {interval(cfg)}s, bootstrap over instructions.",
    ]
    save(figure, table, out, cfg, started, VIEW, told)


def _rows(cfg: FailuresFigure) -> dict[str, float]:
    """Top of the row of each system, and of each "title:MODEL" above its first system."""
    rows: dict[str, float] = {}
    place = 0.0
    for system in cfg.systems:
        if f"title:{system.model}" not in rows:
            rows[f"title:{system.model}"] = place
            place += 1
        rows[system.name] = place
        place += 1
    return rows


def _draw(axis: Axes, cfg: FailuresFigure, table: pd.DataFrame, rows: dict[str, float]) -> None:
    models = list(dict.fromkeys(system.model for system in cfg.systems))
    for system in cfg.systems:
        place, found = rows[system.name], table.loc[system.name]
        if pd.isna(found["mean"]):
            axis.text(1.5, place + 0.5, "not known", va="center", fontsize=6.6, color="0.4")
            continue
        colour = pair_colour(models.index(system.model))
        value, low, high = (100 * found[name] for name in ("mean", "ci_low", "ci_high"))
        bar, size, number = (0.66, 0.34, (1.5, 0.27)) if cfg.columns == 2 else (0.5, 0.62, (104, 0.5))
        axis.barh(place + bar, value, height=size, color=colour, alpha=0.55, linewidth=0)
        axis.hlines(place + bar, low, high, color="black", linewidth=1.0)
        text = f"{value:.0f} [{low:.0f}, {high:.0f}]"
        axis.text(number[0], place + number[1], text, va="center", fontsize=6.6)
    axis.set_xlim(0, 100)
    axis.set_xticks([0, 50, 100])
    for label, side in zip(axis.get_xticklabels(), ("left", "center", "right"), strict=True):
        label.set(horizontalalignment=side)
    axis.set_yticks([])
    axis.grid(axis="x", color="0.9", linewidth=0.6)
    axis.set_axisbelow(True)


def _label(axis: Axes, cfg: FailuresFigure, rows: dict[str, float]) -> None:
    """Methods left of the first panel, models in bold above theirs."""
    for name, place in rows.items():
        if name.startswith("title:"):
            # Nothing is drawn in this row, so that the title may go on into the panels, over their lines.
            text, weight, line = shorten(name.removeprefix("title:"), 44), "bold", place + 0.5
        else:
            text = next(system.method for system in cfg.systems if system.name == name)
            text, weight, line = shorten(text, 26), "normal", place + 0.55
        axis.annotate(
            text, ((EDGE - LABELS) * 72, line), xycoords=("axes points", "data"), va="center", ha="left",
            fontsize=7.2, weight=weight, annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip
