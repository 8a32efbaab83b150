"""Does the shift matter? What the base writes when some of its tokens are the aligned model's, and the reverse."""

import time
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from superficial.config.schema import CausalFigure, RuntimeConfig
from superficial.probes.causal.quality import SCORES
from superficial.shift.statistics.of_pairs import of_pairs
from superficial.views.figures.style import LINES, interval, save, set_style, shape, width
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="Whether the shifted tokens matter",
    text=(
        "How like the aligned response (ROUGE-L) the base's text becomes when some of its tokens are the aligned"
        " model's choices, against the number of tokens swapped, and the reverse; and how a judge scores these texts."
    ),
    slice="causal_figure",
    reads=["results/stats/{dataset}/{pair}/{context}/causal.csv"],
    part_of=[],  # both models decode at once
)

AGREEMENT = (  # across, up, title
    ("swapped", "rouge_l", "Like the aligned response"),
    ("changed", "rouge_l", "Like the aligned response"),
    ("swapped", "base_rouge_l", "Like the base's own"),
)
QUALITY = (
    ("share_regular", "score", "Score, regular"),
    ("share_regular", "score_above_base", "Above the base's own"),
    ("share_safety", "safety", "Safety, harmful"),
)
ACROSS = {"swapped": "tokens swapped", "changed": "of them, tokens changed"}
SHARE = "share of tokens swapped"
SHOWN = {  # label, colour, marker; `first` is a line over k
    "none": ("none: the base's own response", "#555555", "o"),
    "shifted": ("aligned token where shifted", LINES[1], "D"),
    "shifted_or_marginal": ("aligned token where shifted or marginal", LINES[2], "^"),
    "random": ("as many as shifted, at random positions", LINES[3], "X"),
    "first": ("the first k positions (k beside the point)", LINES[0], "o"),
    "all": ("all positions: the aligned response", "#000000", "s"),
    "reverse": ("reverse: aligned decodes, base token where shifted", "#E69F00", "v"),
}


def run(cfg: CausalFigure, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw agreement and judged scores over tokens swapped, two rows of panels each pair.

    A panel with too few examples, or without scores, stays empty and says so.
    """
    started = time.monotonic()
    set_style()
    table = of_pairs(cfg, results, "causal")
    enough = table[(table["examples"] >= cfg.min_examples) & table["mean"].notna()]
    down, across = shape(cfg, 3)
    rows = 2 * len(cfg.pairs) * down
    figure, grid = plt.subplots(
        rows, across, figsize=(width(cfg), 0.6 + 2.2 * rows), squeeze=False, layout="constrained"
    )
    grid = grid.reshape(-1, 3)
    for index, pair in enumerate(cfg.pairs):
        mine, drawn = (found[found["pair"] == pair.name] for found in (table, enough))
        above, below = grid[2 * index : 2 * index + 2]
        _agreement(above, drawn, table["window"].max(), stacked=across == 1)
        above[0].set_ylabel("ROUGE-L (F1 over words)")
        if len(cfg.pairs) > 1:
            above[0].set_title(f"{pair.title}\n{AGREEMENT[0][-1]}", loc="left")
        if drawn.empty:
            _say(above[0], f"Too few examples to draw:\nfewer than {cfg.min_examples}.")
        _quality(below, mine, drawn, cfg)
        below[0].set_ylabel("judged score, 1 to 5")
    handles = {
        label: handle for axis in grid.flat for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    if handles:
        figure.legend(
            list(handles.values()), list(handles), frameon=False, loc="outside lower center", ncols=cfg.columns
        )
    save(figure, enough, out, cfg, started, VIEW, [_told(cfg, table)])


def _agreement(panels: list[Axes], drawn: pd.DataFrame, window: int, *, stacked: bool) -> None:
    for axis, (across, up, title) in zip(panels, AGREEMENT, strict=True):
        _draw(axis, drawn, across, up)
        axis.set_title(title, loc="left")
        axis.set_xlabel(ACROSS[across])
        axis.set_xlim(-0.03 * window, 1.03 * window)
        axis.set_ylim(-0.02, 1.04)
        axis.tick_params(labelleft=stacked or axis is panels[0])


def _quality(panels: list[Axes], mine: pd.DataFrame, drawn: pd.DataFrame, cfg: CausalFigure) -> None:
    for axis, (across, up, title) in zip(panels, QUALITY, strict=True):
        rows = mine[mine["measure"] == up]
        counts = sorted({int(count) for count in rows["examples"]})
        axis.set_title(
            f"{title}, n = {'–'.join(map(str, [*counts[:1], *counts[1:][-1:]]))}" if counts else title, loc="left"
        )
        axis.set_xlabel(SHARE)
        axis.set_xlim(-0.03, 1.03)
        axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
        _draw(axis, drawn, across, up)
        if up.endswith("_above_base"):
            axis.axhline(0, color="#555555", linewidth=0.7, zorder=1)
        if drawn[drawn["measure"] == up].empty:
            axis.set_yticks([])
            _say(axis, _why(rows, counts, cfg))


def _why(rows: pd.DataFrame, counts: list[int], cfg: CausalFigure) -> str:
    """Why there is nothing to draw."""
    if rows.empty:
        return "No scores of these texts."
    if counts == [0]:
        return f"Nothing scored: {rows['unscored'].sum():.0f}\njudgments, all unscored."
    return f"Too few examples to draw:\nfewer than {cfg.min_examples} have a score."


def _say(axis: Axes, text: str) -> None:
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", fontsize=7.5)


def _draw(axis: Axes, found: pd.DataFrame, x: str, y: str) -> None:
    """Points with whiskers both ways."""
    for family, (label, colour, marker) in SHOWN.items():
        mine = found[found["variant"].str.replace(r"_\d+$", "", regex=True) == family]
        across, up = (mine[mine["measure"] == name].set_index("variant") for name in (x, y))
        across, up = across.align(up, join="inner", axis=0)
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
                # Beside the line, which falls towards the base's own response and rises elsewhere.
                beside = (3, 2) if y.startswith("base_") else (3, -7)
                axis.annotate(k, at, xytext=beside, textcoords="offset points", fontsize=6.5, color=colour)
    axis.grid(linewidth=0.4, color="#DDDDDD")


def _told(cfg: CausalFigure, table: pd.DataFrame) -> str:
    n, window = table["examples"].max(), table["window"].max()
    text = (
        f"Both models decode greedily in lock-step, each in its own context, {window} tokens at most; one drives. "
        "Swapped: the other one's token is taken, which may be the same. Shifted: the aligned model's choice has a "
        f"base rank above 3. Data: {cfg.data}, n = {n} instructions; context of the base: {cfg.base_context}. Means a "
        f"response, {interval(cfg)}s (bootstrap over examples). "
    )
    judged = table[table["measure"].isin(SCORES)]
    if judged.empty:
        return f"{text}{cfg.judge.title} scores no new texts."
    return (
        f"{text}Below: scores of these texts, all of them cut at {window} tokens and by no stop rule; regular: mean of "
        f"five aspects, harmful: safety; unscored judgments: {judged['unscored'].sum():.0f}. "
        f"Judge: {cfg.judge.title}. {cfg.judge.caveat.strip()}"
    ).strip()
