"""Does the shift matter? What the base writes when some of its tokens are the aligned model's, and the reverse."""

import time
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from superficial.figures.style import LINES, WIDTH, interval, of_pairs, save, set_style
from superficial.schema import FigureStage, RuntimeConfig

PANELS = (("rouge_l", "like the aligned response"), ("base_rouge_l", "like the base's own response"))
SHOWN = {  # label, colour, marker; `first` is a line over k
    "none": ("none: the base's own response", "#555555", "o"),
    "shifted": ("aligned token where shifted", LINES[1], "D"),
    "shifted_or_marginal": ("aligned token where shifted or marginal", LINES[2], "^"),
    "random": ("as many as shifted, at random positions", LINES[3], "X"),
    "first": ("the first k positions", LINES[0], "o"),
    "all": ("all positions", "#000000", "s"),
    "reverse": ("reverse: aligned decodes, base token where shifted", "#E69F00", "v"),
}


def run(cfg: FigureStage, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw agreement over tokens swapped, a row of panels each pair; a pair with too few examples stays empty."""
    started = time.monotonic()
    set_style()
    table = of_pairs(cfg, results, "causal")
    enough = table[table["examples"] >= cfg.min_examples]
    rows = len(cfg.pairs)
    figure, grid = plt.subplots(
        rows, 2, figsize=(WIDTH, 0.9 + 2.6 * rows), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, pair in zip(grid, cfg.pairs, strict=True):
        mine = enough[enough["pair"] == pair.name]
        for axis, (measure, title) in zip(axes, PANELS, strict=True):
            _draw(axis, mine, measure, table["window"].max())
            axis.set_title(f"{pair.title}: {title}" if rows > 1 else title.capitalize(), loc="left")
        axes[0].set_ylabel("ROUGE-L (F1 over words)")
        if mine.empty:
            few = f"Too few examples to draw:\nfewer than {cfg.min_examples}."
            axes[0].text(0.5, 0.5, few, transform=axes[0].transAxes, ha="center", va="center")
    for axis in grid[-1]:
        axis.set_xlabel("tokens taken from the other model, mean a response")
    figure.suptitle(_title(cfg, table), x=0.01, ha="left", fontsize=8.5)
    named = [axis.get_legend_handles_labels() for axis in grid.flat]
    handles = {label: handle for found in named for handle, label in zip(*found, strict=True)}
    if handles:
        figure.legend(list(handles.values()), list(handles), frameon=False, loc="outside lower center", ncols=2)
    save(figure, enough, out, cfg, started)


def _draw(axis: Axes, found: pd.DataFrame, measure: str, window: int) -> None:
    """Points with whiskers both ways."""
    for family, (label, colour, marker) in SHOWN.items():
        mine = found[found["variant"].str.replace(r"_\d+$", "", regex=True) == family]
        across, up = (mine[mine["measure"] == name].set_index("variant") for name in ("swapped", measure))
        if across.empty:
            continue
        errors = [[(one["mean"] - one["low"]).clip(0), (one["high"] - one["mean"]).clip(0)] for one in (across, up)]
        axis.errorbar(
            across["mean"], up["mean"], xerr=errors[0], yerr=errors[1], fmt=f"{marker}-", markersize=4.5, color=colour,
            linewidth=1.0, elinewidth=0.7, label=label, zorder=2 if family == "first" else 3,
        )  # fmt: skip
        if family == "first":
            for variant in across.index:
                at = (across.at[variant, "mean"], up.at[variant, "mean"])
                k = f"k = {variant.removeprefix('first_')}"
                axis.annotate(k, at, xytext=(4, -9), textcoords="offset points", fontsize=6.5, color=colour)
    axis.set_ylim(-0.02, 1.04)
    axis.set_xlim(-0.03 * window, 1.03 * window)
    axis.grid(linewidth=0.4, color="#DDDDDD")


def _title(cfg: FigureStage, table: pd.DataFrame) -> str:
    n = table["examples"].max()
    return (
        f"Base and aligned model decode greedily in lock-step, each in its own context, {table['window'].max()} tokens"
        " at most.\nOne drives; where a rule says so the other one's token is taken. "
        f"Shifted: base rank above 3 there.\nData: {cfg.dataset}, n = {n} instructions; base context: {cfg.context}. "
        f"Means, {interval(cfg)}s (bootstrap over examples). Not judged."
    )
