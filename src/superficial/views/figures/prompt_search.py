"""Which examples bring the base nearest to the aligned model: the search step by step, and what it is worth."""

import time
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from superficial.config.schema import RuntimeConfig, SearchFigure
from superficial.shift.statistics.of_pairs import of_pairs
from superficial.views.figures.style import LINES, interval, save, set_style, shape, width
from superficial.views.notes.caption import data
from superficial.views.notes.prompt_search import cost, counted, sentences
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="Which examples bring the base nearest",
    text=(
        "Examples of a pool, chosen one after the other so that the base's distributions come nearest to the aligned"
        " model's: every candidate on the half of the instructions that was searched on, and the gain on the other."
    ),
    slice="search_figure",
    reads=[
        "results/stats/{dataset}/{pair}/{context}/prompt_search.csv",
        "results/stats/{dataset}/{pair}/{context}/prompt_search_trace.csv",
    ],
    part_of=[],  # some thirty scorings
)

FOUND, DEFAULT = LINES[1], LINES[0]
ROWS = {"found": "found", "none": "without\nexamples"}  # prompts held against the default


def run(cfg: SearchFigure, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw every candidate of each step on the search half, and the gains on the test half; a row each pair."""
    started = time.monotonic()
    set_style()
    gains, trace = (of_pairs(cfg, results, name) for name in ("prompt_search", "prompt_search_trace"))
    rows, (down, across) = len(cfg.pairs), shape(cfg, 2)
    figure, grid = plt.subplots(
        rows * down, across, figsize=(width(cfg), 0.3 + 2.6 * rows * down), squeeze=False, layout="constrained",
        width_ratios=[1.5, 1][:across],
    )  # fmt: skip
    for (left, right), pair in zip(grid.reshape(rows, 2), cfg.pairs, strict=True):
        mine = gains[gains["pair"] == pair.name].set_index(["half", "prompt", "measure"])
        _draw_steps(left, trace[trace["pair"] == pair.name], mine, cfg.method)
        _draw_gains(right, mine, cfg)
        if rows > 1:
            left.set_ylabel(f"{pair.title}\n{left.get_ylabel()}")
    drawn = trace.rename(columns={"kl": "value"}).assign(half="search", prompt="candidate", measure="kl")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=1 + cfg.columns)
    save(figure, pd.concat([gains, drawn], ignore_index=True), out, cfg, started, VIEW, _told(cfg, gains))


def _draw_steps(axis: Axes, trace: pd.DataFrame, gains: pd.DataFrame, method: str) -> None:
    """Every candidate is a dot; a line goes through the chosen ones, which are named."""
    chosen = trace[trace["chosen"]].sort_values("step")
    others = trace[~trace["chosen"]]
    axis.plot(others["step"], others["kl"], "o", color="0.65", markersize=3.5, label="other candidates", zorder=2)
    axis.plot(chosen["step"], chosen["kl"], "o-", color=FOUND, markersize=5, linewidth=1.2, label="chosen", zorder=3)
    own = gains.loc[("search", "default", "kl"), "value"]
    axis.axhline(own, color=DEFAULT, linewidth=1.0, linestyle="--", label=method, zorder=1)
    axis.set_xlim(-0.4, chosen["step"].max() + 0.4)
    names = ["0\nnone", *(f"{row.step}\n+ {row.example}" for row in chosen[1:].itertuples())]
    axis.set_xticks(chosen["step"], names)
    axis.set_xlabel("examples in the prompt, and the last one chosen")
    axis.set_ylabel("KL(aligned ‖ base), nats")
    axis.set_title(f"search half, n = {gains.loc[('search', 'default', 'kl'), 'examples']:.0f}", loc="left")
    axis.grid(axis="y", linewidth=0.4, color="#DDDDDD")


def _draw_gains(axis: Axes, gains: pd.DataFrame, cfg: SearchFigure) -> None:
    """How much nearer than the default each prompt is; with too few responses, only that."""
    count = gains.loc[("test", "default", "kl"), "examples"]
    axis.set_title(f"test half, n = {count:.0f}", loc="left")
    axis.set_xlabel(f"gain over {cfg.method}, nats")
    axis.axvline(0, color=DEFAULT, linewidth=1.0, linestyle="--")
    axis.set_yticks(range(len(ROWS)), list(ROWS.values()))
    axis.set_ylim(len(ROWS) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", linewidth=0.4, color="#DDDDDD")
    if count < cfg.min_examples:
        few = f"n is too small to tell:\nfewer than {cfg.min_examples} responses."
        axis.text(0.5, 0.5, few, transform=axis.transAxes, ha="center", va="center")
        axis.set_xticks([])
        return
    for place, prompt in enumerate(ROWS):
        row = gains.loc[("test", prompt, "gain")]
        colour = FOUND if prompt == "found" else "0.4"
        axis.hlines(place, row["low"], row["high"], color=colour, linewidth=1.2)
        axis.plot(row["value"], place, "o", color=colour, markersize=5)
        text = f"{row['value']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]".replace("-", "−")
        axis.annotate(
            text, (0.99, place - 0.12), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=6.5,
            color=colour, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip
    axis.margins(x=0.1)
    axis.xaxis.set_major_locator(MaxNLocator(4))


def _told(cfg: SearchFigure, gains: pd.DataFrame) -> list[str]:
    lines = ["The search is greedy: the next example stands behind the last.", data(cfg), "Half of it is searched on."]
    for pair in cfg.pairs:
        rows = gains[gains["pair"] == pair.name]
        told = " ".join(sentences(rows, cfg.method, cfg.min_examples, cfg.confidence))
        lines.append(f"{pair.title}. {told} Cost: {cost(rows)}.")
    return [*lines, _how(cfg)]


def _how(cfg: SearchFigure) -> str:
    return (
        f"KL over the whole vocabulary, mean over {counted(cfg.max_positions)}. "
        f"Whiskers and brackets: {interval(cfg)}s, paired bootstrap over responses. No judge."
    )
