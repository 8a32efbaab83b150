"""Figure 4 of the paper: the shift fades as the response goes on."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import FuncFormatter

from superficial.config.schema import FigureStage, RuntimeConfig
from superficial.shift.statistics.of_pairs import of_pairs
from superficial.views.figures.style import interval, name_curves, pair_colour, percent, save, set_style, width
from superficial.views.notes.caption import data
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="The shift along the response",
    text=(
        "KL divergence in nats over the whole vocabulary, base rank and base probability by position; means over the"
        " responses that are still running there."
    ),
    paper="Figure 4",
    reads=[
        "results/stats/{dataset}/{pair}/{context}/positions.csv",
        "results/stats/{dataset}/{pair}/{context}/summary.csv",
    ],
)

WIDE = "8"  # positions a point of the drawn lines
PANELS = (
    ("kl_aligned_base", "KL(aligned ‖ base), nats"),
    ("log10_base_rank", "base rank (geom. mean)"),
    ("base_prob", "base probability"),
)


def run(cfg: FigureStage, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw KL, base rank and base probability over the response position, and the number of examples still running."""
    started = time.monotonic()
    set_style()
    table, summary = _curves(cfg, of_pairs(cfg, results, "positions")), of_pairs(cfg, results, "summary")
    figure, axes = plt.subplots(
        4, 1, figsize=(width(cfg), 6.6), sharex=True, height_ratios=[3, 3, 3, 1.3], layout="constrained"
    )
    for index in range(len(cfg.pairs)):
        _draw_pair(axes, cfg, table, index)
    for axis, (_, label) in zip(axes, PANELS, strict=False):
        axis.set_ylabel(label)
    axes[1].set_yscale("log")
    for which in (axes[1].yaxis.set_major_formatter, axes[1].yaxis.set_minor_formatter):
        which(FuncFormatter(_plain_rank))
    axes[2].set_ylim(0, 1)
    axes[3].set_ylabel("still running")
    axes[3].set_ylim(bottom=0)
    axes[3].set_xlabel("position in the response (tokens)")
    empty = f"Too few examples to draw a curve:\nfewer than {cfg.min_examples} responses at every position."
    name_curves(figure, axes[0], empty, ncols=cfg.columns)
    figure.align_ylabels(axes)
    told = [
        *(_count(cfg, summary, index) for index in range(len(cfg.pairs))),
        data(cfg),
        f"Dots: every position, with {interval(cfg)}s as thin lines that are cut at the edge. Lines and bands: means "
        f"over {WIDE} positions with {interval(cfg)}s. Bootstrap over responses; left out: positions that fewer than "
        f"{cfg.min_examples} responses reach. Bottom: how many responses are still running.",
    ]
    save(figure, table, out, cfg, started, VIEW, told)


def _plain_rank(value: float, _position: int | None) -> str:
    """Label 1, 2, 5, 10, 20 ... only, as plain numbers."""
    return f"{value:,.0f}" if f"{value:e}"[0] in "125" and value >= 1 else ""


def _curves(cfg: FigureStage, table: pd.DataFrame) -> pd.DataFrame:
    """The rows that the figure shows: enough examples still running, and within the x axis."""
    table["scale"] = table["scale"].astype(str)
    wanted = table["metric"].isin([metric for metric, _ in PANELS]) & table["scale"].isin(["1", WIDE])
    seen = (table["examples"] >= cfg.min_examples) & (table["position"] < cfg.max_position)
    found = table[wanted & seen].copy()
    ranks = found["metric"] == "log10_base_rank"
    found.loc[ranks, ["mean", "low", "high"]] = 10 ** found.loc[ranks, ["mean", "low", "high"]]
    return found


def _count(cfg: FigureStage, summary: pd.DataFrame, index: int) -> str:
    """The pair, n, and how many tokens are the aligned model's first choice: all but rounding, if decoded greedily."""
    found = summary[summary["pair"] == cfg.pairs[index].name].set_index("measure")
    share = found.loc["aligned_rank_1_share"]
    first = percent(share["value"], share["low"], share["high"])
    return (
        f"{cfg.pairs[index].title}: n = {found.loc['examples', 'value']:,.0f} responses; {first} of their tokens are "
        "the aligned model's own first choice."
    )


def _draw_pair(axes: "list[Axes]", cfg: FigureStage, table: pd.DataFrame, index: int) -> None:
    """Draw one pair into all panels."""
    rows = table[table["pair"] == cfg.pairs[index].name]
    if rows.empty:
        return
    colour = pair_colour(index)
    for axis, (metric, _) in zip(axes, PANELS, strict=False):
        every = rows[(rows["metric"] == metric) & (rows["scale"] == "1")]
        bins = rows[(rows["metric"] == metric) & (rows["scale"] == WIDE)]
        middle = bins["position"] + int(WIDE) / 2 - 0.5
        axis.plot(every["position"], every["mean"], ".", color=colour, alpha=0.4, markersize=2.5)
        at, low, high = (every[name] for name in ("position", "low", "high"))
        whiskers = np.stack([[at, low], [at, high]]).transpose(2, 0, 1)  # (P, 2, 2): ends of each, x and y
        # A few examples make long whiskers; the axes fit the means.
        axis.add_collection(LineCollection(list(whiskers), color=colour, alpha=0.2, linewidth=0.5), autolim=False)
        axis.plot(middle, bins["mean"], color=colour, linewidth=1.3, label=cfg.pairs[index].title)
        axis.fill_between(middle, bins["low"], bins["high"], color=colour, alpha=0.2, linewidth=0)
    count = rows[(rows["metric"] == PANELS[0][0]) & (rows["scale"] == "1")]
    axes[-1].plot(count["position"], count["examples"], color=colour, linewidth=1.3)
