"""Which instructions shift more: share of shifted tokens by task, topic and kind of instruction."""

import time
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from superficial.figures.style import WIDTH, interval, of_pairs, pair_colour, save, set_style
from superficial.schema import FigureStage, RuntimeConfig

PANELS = ("task", "topic", "instruction")


def run(cfg: FigureStage, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw a point with its interval for each group and pair; groups with too few examples are named, not drawn."""
    started = time.monotonic()
    set_style()
    table = of_pairs(cfg, results, "groups")
    table = table[table["category"] == "shifted"].drop(columns="category")
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.7), sharex=True, layout="constrained")
    for axis, grouping in zip(axes, PANELS, strict=True):
        _draw_panel(axis, cfg, table[table["grouping"] == grouping])
        axis.set_title(grouping, loc="left")
    # One axis for all panels, wide enough for the widest interval of any of them.
    widest = table.loc[table["examples"] >= cfg.min_examples, "high"].max()
    axes[0].set_xlim(0, 105 * widest if widest > 0 else 100)
    axes[1].set_xlabel(f"shifted response tokens, % ({interval(cfg)}, bootstrap over examples)")
    if len(cfg.pairs) > 1:
        axes[2].legend(frameon=False, fontsize=6.5)
    pairs = ", ".join(pair.title for pair in cfg.pairs)
    figure.suptitle(f"{pairs}. Data: {cfg.dataset}; base context: {cfg.context}.", x=0.01, ha="left", fontsize=8.5)
    save(figure, table, out, cfg, started)


def _draw_panel(axis: Axes, cfg: FigureStage, rows: pd.DataFrame) -> None:
    """Groups from the most to the least shifted (in the first pair), a colour a pair."""
    first = rows[rows["pair"] == cfg.pairs[0].name].sort_values(["share", "group"])
    names = first["group"].tolist()
    for index, pair in enumerate(cfg.pairs):
        found = rows[rows["pair"] == pair.name].set_index("group").reindex(names)
        enough = found["examples"] >= cfg.min_examples
        shown = 100 * found[enough][["share", "low", "high"]]
        at = [names.index(name) + 0.16 * index for name in shown.index]
        error = [shown["share"] - shown["low"], shown["high"] - shown["share"]]
        axis.errorbar(
            shown["share"], at, xerr=error, fmt="o", markersize=3.5, elinewidth=1.1, color=pair_colour(index),
            label=pair.title,
        )  # fmt: skip
        for name in found.index[~enough]:
            axis.text(1, names.index(name), "too few", fontsize=6.5, va="center", color="#666666")
    labels = [f"{name} ({count})" for name, count in zip(names, first["examples"], strict=True)]
    axis.set_yticks(range(len(names)), labels)
    axis.set_ylim(-0.6, max(len(names) - 0.4, 0.6))
    axis.grid(axis="x", linewidth=0.4, color="#DDDDDD")
