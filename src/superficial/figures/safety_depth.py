"""How deep safety goes: the shift by position for harmful against regular instructions."""

import time
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from superficial.figures.style import LINES, WIDTH, interval, of_pairs, save, set_style
from superficial.schema import FigureStage, RuntimeConfig
from superficial.stats.safety_depth import GROUPS

PANELS = (
    ("kl", 1, "KL(aligned ‖ base), nats"),
    ("shifted", 100, "shifted tokens, %"),
    ("kl_share", 100, "share of all KL spent so far, %"),
)
NAMES = {"regular": ("regular", LINES[0], "o"), "safety": ("harmful", LINES[1], "D")}


def run(cfg: FigureStage, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw the three measures over bins of positions that double, a row of panels each pair."""
    started = time.monotonic()
    set_style()
    table = of_pairs(cfg, results, "safety_depth")
    enough = table[table["examples"] >= cfg.min_examples]
    rows = len(cfg.pairs)
    figure, grid = plt.subplots(
        rows, 3, figsize=(WIDTH, 0.9 + 2.2 * rows), sharex=True, squeeze=False, layout="constrained"
    )
    bins = sorted(set(zip(table["first"], table["last"], strict=True)))
    for axes, pair in zip(grid, cfg.pairs, strict=True):
        mine = enough[enough["pair"] == pair.name]
        for axis, (measure, scale, label) in zip(axes, PANELS, strict=True):
            _draw(axis, mine[mine["measure"] == measure], [first for first, _ in bins], scale)
            axis.set_title(label, loc="left")
            axis.set_xticks(range(len(bins)), [_span(*one) for one in bins], rotation=60, ha="right")
            axis.set_ylim(bottom=-0.03 * axis.get_ylim()[1])  # points on the edge are whole
            axis.grid(axis="y", linewidth=0.4, color="#DDDDDD")
        if rows > 1:
            axes[0].set_ylabel(pair.title)
        if mine.empty:
            few = f"Too few examples to draw:\nfewer than {cfg.min_examples} at every position."
            axes[0].text(0.5, 0.5, few, transform=axes[0].transAxes, ha="center", va="center")
    grid[-1][1].set_xlabel("position in the response (tokens)")
    figure.suptitle(_title(cfg), x=0.01, ha="left", fontsize=8.5)
    handles, labels = grid[0][0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=2)
    save(figure, enough, out, cfg, started)


def _draw(axis: Axes, rows: pd.DataFrame, firsts: list[int], scale: int) -> None:
    """A line with whiskers for each group, the second one a little aside."""
    for at, group in enumerate(GROUPS):
        found = rows[rows["group"] == group]
        if found.empty:
            continue
        label, colour, marker = NAMES[group]
        mean, low, high = (scale * found[name].to_numpy(dtype=float) for name in ("mean", "low", "high"))
        axis.errorbar(
            [firsts.index(first) + 0.16 * (at - 0.5) for first in found["first"]], mean,
            yerr=[(mean - low).clip(0), (high - mean).clip(0)], fmt=f"{marker}-", markersize=3.5, linewidth=1.1,
            elinewidth=0.8, color=colour, label=f"{label} instructions, {_count(found)}",
        )  # fmt: skip


def _count(rows: pd.DataFrame) -> str:
    most, fewest = rows["examples"].max(), rows["examples"].min()
    return f"n = {most}" if most == fewest else f"n = {most} to {fewest}"


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}–{last}"


def _title(cfg: FigureStage) -> str:
    return (
        "How deep safety goes: the shift by position, harmful against regular instructions.\n"
        f"Data: {cfg.dataset}; base context: {cfg.context}; bins of positions double. Means over the tokens of a bin,\n"
        f"{interval(cfg)}s (bootstrap over examples); left out: bins that under {cfg.min_examples} responses reach."
    )
