"""Does the shift matter? What the base writes when some of its tokens are the aligned model's, and the reverse."""

import time
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from superficial.figures.style import LINES, WIDTH, interval, of_pairs, save, set_style
from superficial.schema import FigureStage, RuntimeConfig

PANELS = (  # across, up
    ("swapped", "rouge_l", "like the aligned response"),
    ("changed", "rouge_l", "like the aligned response"),
    ("swapped", "base_rouge_l", "like the base's own"),
)
ACROSS = {"swapped": "tokens swapped", "changed": "of them, tokens changed"}
SHOWN = {  # label, colour, marker; `first` is a line over k
    "none": ("none: the base's own response", "#555555", "o"),
    "shifted": ("aligned token where shifted", LINES[1], "D"),
    "shifted_or_marginal": ("aligned token where shifted or marginal", LINES[2], "^"),
    "random": ("as many as shifted, at random positions", LINES[3], "X"),
    "first": ("the first k positions (k beside the point)", LINES[0], "o"),
    "all": ("all positions: the aligned response", "#000000", "s"),
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
        rows, len(PANELS), figsize=(WIDTH, 0.9 + 2.6 * rows), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, pair in zip(grid, cfg.pairs, strict=True):
        mine = enough[enough["pair"] == pair.name]
        for axis, (across, up, title) in zip(axes, PANELS, strict=True):
            _draw(axis, mine, across, up, table["window"].max())
            axis.set_title(title.capitalize(), loc="left")
            axis.set_xlabel(ACROSS[across])
        axes[0].set_ylabel(f"{pair.title}\nROUGE-L (F1 over words)" if rows > 1 else "ROUGE-L (F1 over words)")
        if mine.empty:
            few = f"Too few examples to draw:\nfewer than {cfg.min_examples}."
            axes[0].text(0.5, 0.5, few, transform=axes[0].transAxes, ha="center", va="center")
    figure.suptitle(_title(cfg, table), x=0.01, ha="left", fontsize=8.5)
    named = [axis.get_legend_handles_labels() for axis in grid.flat]
    handles = {label: handle for found in named for handle, label in zip(*found, strict=True)}
    if handles:
        figure.legend(list(handles.values()), list(handles), frameon=False, loc="outside lower center", ncols=2)
    save(figure, enough, out, cfg, started)


def _draw(axis: Axes, found: pd.DataFrame, x: str, y: str, window: int) -> None:
    """Points with whiskers both ways."""
    for family, (label, colour, marker) in SHOWN.items():
        mine = found[found["variant"].str.replace(r"_\d+$", "", regex=True) == family]
        across, up = (mine[mine["measure"] == name].set_index("variant") for name in (x, y))
        if across.empty:
            continue
        errors = [[(one["mean"] - one["low"]).clip(0), (one["high"] - one["mean"]).clip(0)] for one in (across, up)]
        axis.errorbar(
            across["mean"], up["mean"], xerr=errors[0], yerr=errors[1], fmt=f"{marker}-", color=colour,
            linewidth=1.0, elinewidth=0.7, label=label, zorder=2 if family == "first" else 3,
            # Around another marker where nothing was wasted on tokens that both say.
            **({"markerfacecolor": "none", "markersize": 7} if family == "all" else {"markersize": 4.5}),
        )  # fmt: skip
        if family == "first":
            for variant in across.index:
                at = (across.at[variant, "mean"], up.at[variant, "mean"])
                k = variant.removeprefix("first_")
                axis.annotate(k, at, xytext=(-4, 3), textcoords="offset points", ha="right", fontsize=6.5, color=colour)
    axis.set_ylim(-0.02, 1.04)
    axis.set_xlim(-0.03 * window, 1.03 * window)
    axis.grid(linewidth=0.4, color="#DDDDDD")


def _title(cfg: FigureStage, table: pd.DataFrame) -> str:
    n, window = table["examples"].max(), table["window"].max()
    return (
        f"Both models decode greedily in lock-step, each in its own context, {window} tokens at most; one drives.\n"
        "Swapped: the other one's token is taken, which may be the same. Shifted: the aligned model's choice has a\n"
        f"base rank above 3. Data: {cfg.dataset}, n = {n} instructions; base context: {cfg.context}. Means a response, "
        f"{interval(cfg)}s\n(bootstrap over examples). No judge."
    )
