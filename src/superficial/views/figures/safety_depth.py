"""How deep safety goes: the shift by position for harmful against regular instructions, and refusals after openings."""

import time
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from superficial.artifacts.table import read_table
from superficial.config.schema import FigureStage, PairTitle, RuntimeConfig
from superficial.probes.safety_depth import GROUPS
from superficial.shift.statistics.of_pairs import of_pairs
from superficial.views.figures.refusal_rates import draw_rates, note
from superficial.views.figures.style import LINES, name_curves, save, set_style, shape, width
from superficial.views.notes.caption import data
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="How deep safety goes",
    text=(
        "KL divergence, share of shifted tokens and share of all divergence spent, by position, for harmful against"
        " regular instructions; and how often both models decline a harmful one when the first k tokens of their"
        " response are given."
    ),
    reads=[
        "results/stats/{dataset}/{pair}/{context}/safety_depth.csv",
        "results/stats/{dataset}/{pair}/{context}/prefill.csv",
        "results/stats/refusals_agreement.csv",
    ],
)

PANELS = (
    ("kl", 1, "KL(aligned ‖ base), nats"),
    ("shifted", 100, "shifted tokens, %"),
    ("kl_share", 100, "share of all KL spent so far, %"),
)
NAMES = {"regular": ("regular", LINES[0], "o"), "safety": ("harmful", LINES[1], "D")}


def run(cfg: FigureStage, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw for each pair the three measures over bins of positions that double, and below them the refusal rates."""
    started = time.monotonic()
    set_style()
    shift, refused = (of_pairs(cfg, results, table) for table in ("safety_depth", "prefill"))
    shift = shift[shift["examples"] >= cfg.min_examples]
    heights = [2.5, 2.2] if cfg.columns == 2 else [5.6, 3.8]  # inches
    figure = plt.figure(figsize=(width(cfg), sum(heights) * len(cfg.pairs)), layout="constrained")
    rows = figure.subfigures(2 * len(cfg.pairs), 1, height_ratios=heights * len(cfg.pairs), squeeze=False)[:, 0]
    for index, pair in enumerate(cfg.pairs):
        _draw_shift(rows[2 * index], cfg, shift[shift["pair"] == pair.name], pair)
        draw_rates(rows[2 * index + 1], cfg, refused[refused["pair"] == pair.name], pair)
    agreement = read_table(results / "stats" / "refusals_agreement.csv").set_index("measure")
    told = [*_told(cfg), *note(cfg, refused, agreement)]
    refused = refused[refused["examples"] >= cfg.min_examples].assign(measure="refused")
    drawn = pd.concat([part for part in (shift, refused) if len(part)] or [shift])
    save(figure, drawn, out, cfg, started, VIEW, told)


def _draw_shift(part: SubFigure, cfg: FigureStage, rows: pd.DataFrame, pair: PairTitle) -> None:
    axes = part.subplots(*shape(cfg, len(PANELS)))
    bins = sorted(set(zip(rows["first"], rows["last"], strict=True)))
    for axis, (measure, scale, label) in zip(axes, PANELS, strict=True):
        _draw(axis, rows[rows["measure"] == measure], [first for first, _ in bins], scale)
        axis.set_title(label, loc="left")
        axis.set_xticks(
            range(len(bins)), [_span(*one) for one in bins], rotation=45, ha="right", rotation_mode="anchor"
        )
        axis.set_ylim(bottom=-0.03 * axis.get_ylim()[1])  # points on the edge are whole
        axis.grid(axis="y", linewidth=0.4, color="#DDDDDD")
    axes[1 if cfg.columns == 2 else 2].set_xlabel("position in the response (tokens)")
    if len(cfg.pairs) > 1:
        axes[0].set_ylabel(pair.title)
    few = f"Too few examples to draw:\nfewer than {cfg.min_examples} at every position."
    name_curves(part, axes[0], few, ncols=cfg.columns)


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


def _told(cfg: FigureStage) -> list[str]:
    return [
        f"{'; '.join(pair.title for pair in cfg.pairs)}.",
        data(cfg),
        "First three panels: bins of positions double; means over the tokens of a bin; left out: bins that fewer than "
        f"{cfg.min_examples} responses reach.",
    ]
