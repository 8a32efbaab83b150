"""Figure 4 of the paper: the shift fades as the response goes on."""

import time
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from superficial.figures.style import LINES, WIDTH, interval, save, set_style
from superficial.schema import FigureStage, RuntimeConfig
from superficial.table import read_table

WIDE = "8"  # positions a point of the drawn lines
PANELS = (
    ("kl_aligned_base", "KL(aligned ‖ base), nats"),
    ("log10_base_rank", "base rank (geometric mean)"),
    ("base_prob", "base probability"),
)


def run(cfg: FigureStage, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw KL, base rank and base probability over the response position, and the number of examples still running."""
    started = time.monotonic()
    set_style()
    table = pd.concat([_curves(cfg, results, name) for name in (pair.name for pair in cfg.pairs)], ignore_index=True)
    figure, axes = plt.subplots(4, 1, figsize=(WIDTH, 6.6), sharex=True, height_ratios=[3, 3, 3, 1.3])
    ranks = [_aligned_rank(cfg, results, pair.name) for pair in cfg.pairs]
    drawn = [_draw_pair(axes, cfg, table, ranks, index) for index in range(len(cfg.pairs))]
    for axis, (_, label) in zip(axes, PANELS, strict=False):
        axis.set_ylabel(label)
    axes[1].set_yscale("log")
    for which in (axes[1].yaxis.set_major_formatter, axes[1].yaxis.set_minor_formatter):
        which(FuncFormatter(_plain_rank))
    axes[2].set_ylim(0, 1)
    axes[3].set_ylabel("still running")
    axes[3].set_ylim(bottom=0)
    axes[3].set_xlabel("position in the response (tokens)")
    if any(drawn):
        axes[0].legend(frameon=False, loc="upper right")
    else:
        text = f"Too few examples to draw a curve: fewer than {cfg.min_examples} responses at every position."
        axes[0].text(0.5, 0.5, text, transform=axes[0].transAxes, ha="center", va="center")
    axes[0].set_title(
        f"Token distribution shift by position. Data: {cfg.dataset}; base context: {cfg.context}.\n"
        f"Dots: every position. Lines: means over {WIDE} positions, {interval(cfg)}s from a bootstrap over examples.",
        loc="left",
    )
    figure.align_ylabels(axes)
    figure.tight_layout()
    save(figure, table, out, cfg, started)


def _plain_rank(value: float, _position: int | None) -> str:
    """Label 1, 2, 5, 10, 20 ... only, as plain numbers."""
    return f"{value:,.0f}" if f"{value:e}"[0] in "125" and value >= 1 else ""


def _curves(cfg: FigureStage, results: Path, pair: str) -> pd.DataFrame:
    """The rows of one pair that the figure shows: enough examples still running, and within the x axis."""
    table = read_table(results / "stats" / cfg.dataset / pair / cfg.context / "positions.csv")
    table["scale"] = table["scale"].astype(str)
    wanted = table["metric"].isin([metric for metric, _ in PANELS]) & table["scale"].isin(["1", WIDE])
    seen = (table["examples"] >= cfg.min_examples) & (table["position"] < cfg.max_position)
    found = table[wanted & seen].copy()
    ranks = found["metric"] == "log10_base_rank"
    found.loc[ranks, ["mean", "low", "high"]] = 10 ** found.loc[ranks, ["mean", "low", "high"]]
    found.insert(0, "pair", pair)
    return found


def _aligned_rank(cfg: FigureStage, results: Path, pair: str) -> str:
    """How many response tokens are the aligned model's own first choice: all but rounding, when it decoded greedily."""
    table = read_table(results / "stats" / cfg.dataset / pair / cfg.context / "summary.csv").set_index("measure")
    return f"aligned rank 1 at {100 * table.loc['aligned_rank_1_share', 'value']:.1f} % of tokens"


def _draw_pair(axes: "list[Axes]", cfg: FigureStage, table: pd.DataFrame, ranks: list[str], index: int) -> bool:
    """Draw one pair into all panels; returns whether there was anything to draw."""
    rows = table[table["pair"] == cfg.pairs[index].name]
    if rows.empty:
        return False
    colour = LINES[index % len(LINES)]
    label = f"{cfg.pairs[index].title} (n = {rows['examples'].max()}, {ranks[index]})"
    for axis, (metric, _) in zip(axes, PANELS, strict=False):
        every = rows[(rows["metric"] == metric) & (rows["scale"] == "1")]
        bins = rows[(rows["metric"] == metric) & (rows["scale"] == WIDE)]
        middle = bins["position"] + int(WIDE) / 2 - 0.5
        axis.plot(every["position"], every["mean"], ".", color=colour, alpha=0.25, markersize=2.5)
        axis.plot(middle, bins["mean"], color=colour, linewidth=1.3, label=label)
        axis.fill_between(middle, bins["low"], bins["high"], color=colour, alpha=0.2, linewidth=0)
    count = rows[(rows["metric"] == PANELS[0][0]) & (rows["scale"] == "1")]
    axes[-1].plot(count["position"], count["examples"], color=colour, linewidth=1.3)
    return True
