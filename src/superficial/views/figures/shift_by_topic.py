"""Which instructions shift more: share of shifted tokens by task, topic and kind of instruction."""

import time
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from superficial.config.schema import FigureStage, RuntimeConfig
from superficial.shift.statistics.of_pairs import of_pairs
from superficial.views.figures.style import interval, pair_colour, save, set_style, shape, width
from superficial.views.notes.caption import data
from superficial.views.notes.names import group_name
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="Which instructions shift more",
    text="Share of shifted tokens by task, by topic and by kind of instruction.",
    reads=["results/stats/{dataset}/{pair}/{context}/groups.csv"],
)

PANELS = ("task", "topic", "instruction")
TOO_FEW = "too few"


def run(cfg: FigureStage, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw a point with its interval for each group and pair; groups with too few examples are named, not drawn."""
    started = time.monotonic()
    set_style()
    table = of_pairs(cfg, results, "groups")
    table = table[table["category"] == "shifted"].drop(columns="category")
    height, (rows, columns) = 2.4 + 0.55 * (len(cfg.pairs) - 1), shape(cfg, 3)  # inches
    size = (width(cfg), height if rows == 1 else 2.4 * height)
    ratios = [1] if rows == 1 else [3, 3, 1.2]
    figure, axes = plt.subplots(rows, columns, figsize=size, sharex=True, layout="constrained", height_ratios=ratios)
    for axis, grouping in zip(axes, PANELS, strict=True):
        found = table[table["grouping"] == grouping]
        _draw_panel(axis, cfg, found)
        axis.set_title(f"by {grouping}", loc="left")
        if found.empty:
            said = f"no instruction\nnames a {grouping}"
            axis.text(0.5, 0.5, said, transform=axis.transAxes, ha="center", va="center", fontsize=7)
    # One axis for all panels, wide enough for the widest interval of any of them.
    widest = table.loc[table["examples"] >= cfg.min_examples, "high"].max()
    axes[0].set_xlim(0, 105 * widest if widest > 0 else 100)
    axes[1 if rows == 1 else 2].set_xlabel("shifted response tokens, %")
    if len(cfg.pairs) > 1:
        drawn = axes[2].get_legend_handles_labels()
        figure.legend(*drawn, frameon=False, loc="outside lower center", ncols=columns)
    told = [
        f"{'; '.join(pair.title for pair in cfg.pairs)}.",
        data(cfg),
        f"Whiskers: {interval(cfg)}s, bootstrap over responses. In brackets: responses of the group; too few: fewer "
        f"than {cfg.min_examples}.",
    ]
    save(figure, table, out, cfg, started, VIEW, told)


def _draw_panel(axis: Axes, cfg: FigureStage, rows: pd.DataFrame) -> None:
    """Groups from the most to the least shifted (in the first pair), a colour for each pair."""
    first = rows[rows["pair"] == cfg.pairs[0].name].sort_values(["share", "group"])
    names = first["group"].tolist()
    for index, pair in enumerate(cfg.pairs):
        found = rows[rows["pair"] == pair.name].set_index("group").reindex(names)
        enough = found["examples"] >= cfg.min_examples
        shown = 100 * found[enough][["share", "low", "high"]]
        aside = 0.2 * ((len(cfg.pairs) - 1) / 2 - index)  # the first pair on top
        at = [names.index(name) + aside for name in shown.index]
        error = [shown["share"] - shown["low"], shown["high"] - shown["share"]]
        axis.errorbar(
            shown["share"], at, xerr=error, fmt="o", markersize=3.5, elinewidth=1.1, color=pair_colour(index),
            label=pair.title,
        )  # fmt: skip
        for name in found.index[~enough]:
            axis.text(1, names.index(name) + aside, TOO_FEW, fontsize=6.5, va="center", color=pair_colour(index))
    labels = [f"{group_name(name)} ({count})" for name, count in zip(names, first["examples"], strict=True)]
    axis.set_yticks(range(len(names)), labels)
    axis.set_ylim(-0.6, max(len(names) - 0.4, 0.6))
    axis.grid(axis="x", linewidth=0.4, color="#DDDDDD")
