"""Which stage of training shifts what: categories of the same responses from the base to the aligned model."""

import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from superficial.config.schema import Ladder, LadderFigure, RuntimeConfig
from superficial.config.schema.ladder import BASE
from superficial.shift.category import CATEGORIES
from superficial.shift.kinds.classify import KINDS
from superficial.shift.statistics.of_pairs import of_pairs
from superficial.views.figures.contexts import Part, percent_axis, percent_frame, percent_numbers, rows_of
from superficial.views.figures.style import LINES, colours, interval, save, set_style, shape, width
from superficial.views.notes.caption import data
from superficial.views.notes.contexts import TOO_FEW, by_kind
from superficial.views.notes.names import NO_KINDS, kind_name
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="Which stage of training shifts what",
    text=(
        "The categories of the same responses under the base, every stage of training and the aligned model, the"
        " flows between them, and which step settles which kind of token."
    ),
    slice="ladder_figure",
    reads=["results/stats/{dataset}/{pair}/{context}/ladder.csv"],
    part_of=[],  # further models
)

BAR = 0.21  # half the width of a bar; rungs are 1 apart
READABLE = 0.06  # share of the axis that a line of text needs
CURVES = {"all": "#000000", "style": LINES[0], "safety": LINES[1], "content": LINES[2]}
STEPS = (*LINES[:4], "#E69F00", "#56B4E9")


def run(cfg: LadderFigure, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """For each pair: flows between categories, the divergence that is left, and what each step settles and closes."""
    started = time.monotonic()
    set_style()
    table = of_pairs(cfg, results, "ladder").fillna({"before": "", "after": ""})
    table.loc[table["examples"] < cfg.min_examples, ["value", "low", "high"]] = np.nan
    figure = plt.figure(figsize=(width(cfg), (5.2 if cfg.columns == 2 else 9.4) * len(cfg.pairs)), layout="constrained")
    for part, ladder in zip(rows_of(figure, [1] * len(cfg.pairs)), cfg.ladders, strict=True):
        _draw_pair(part, cfg, ladder, table[table["pair"] == ladder.pair])
    save(figure, table, out, cfg, started, VIEW, _told(cfg, table))


def _draw_pair(part: Part, cfg: LadderFigure, ladder: Ladder, table: pd.DataFrame) -> None:
    above, below = rows_of(part, [1.2, 1])
    flows, left = above.subplots(*shape(cfg, 2), width_ratios=[1.9, 1] if cfg.columns == 2 else None)
    _flows(flows, cfg, ladder, table[table["grouping"] == "all"])
    _divergence(left, ladder, table[table["measure"] == "kl"])
    settled, closed = below.subplots(*shape(cfg, 2))
    _by_kind(settled, ladder, table[table["measure"] == "settled"])
    settled.set_title("shifted tokens that settle", loc="left")
    settled.set_xlabel("settled by the step (%)")
    _by_kind(closed, ladder, table[table["measure"] == "kl_closed"])
    closed.set_title("divergence that goes", loc="left")
    closed.set_xlabel("closed by the step (%)")
    handles = [
        Line2D([], [], color=STEPS[index % len(STEPS)], marker="o", markersize=4, label=rung.title)
        for index, rung in enumerate(ladder.rungs[1:])
    ]
    below.legend(
        handles=handles,
        title="step to",
        title_fontsize=7.5,
        frameon=False,
        loc="outside lower center",
        ncols=min(len(handles), 2 * cfg.columns),
    )


def _flows(axis: Axes, cfg: LadderFigure, ladder: Ladder, table: pd.DataFrame) -> None:
    """A bar of categories for each rung, and between two of them a band for every way that tokens go."""
    colour, rungs = colours(cfg), [rung.name for rung in ladder.rungs]
    shares = table[table["measure"].isin(CATEGORIES)].set_index(["rung", "measure"])
    ways = table[table["measure"] == "flow"].set_index(["rung", "before", "after"])["value"]
    for place, rung in enumerate(rungs):
        bottom = 0.0
        for category in CATEGORIES:
            row = shares.loc[(rung, category)]
            axis.bar(place, row["value"], 2 * BAR, bottom=bottom, color=colour[category], zorder=3)
            if row["value"] > READABLE:
                text = f"{100 * row['value']:.0f}"
                if row["value"] > 2 * READABLE and row["low"] < row["high"] and cfg.columns == 2:
                    text += f"\n[{100 * row['low']:.0f}, {100 * row['high']:.0f}]"
                ink = "white" if category == "shifted" else "black"
                at = bottom + row["value"] / 2
                axis.text(place, at, text, ha="center", va="center", fontsize=6.5, color=ink, zorder=4)
            bottom += row["value"]
    for place, (rung, below) in enumerate(zip(rungs[1:], rungs, strict=False)):
        starts = {one: _below(shares, below, one) for one in CATEGORIES}
        ends = {one: _below(shares, rung, one) for one in CATEGORIES}
        for before in CATEGORIES:
            for after in CATEGORIES:
                width = ways[rung, before, after]
                _band(axis, place, starts[before], ends[after], width, colour[before], before == after)
                starts[before] += width
                ends[after] += width
    names = [textwrap.fill(rung.title, 16 if cfg.columns == 2 else 10) for rung in ladder.rungs]
    axis.set_xticks(range(len(rungs)), names, fontsize=7.5 if cfg.columns == 2 else 6.5)
    axis.set_xlim(-0.35, len(rungs) - 0.65)
    axis.set_ylim(0, 1)
    axis.set_ylabel("response tokens (%)")
    percent_axis(axis, "y")
    axis.tick_params(axis="x", length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    if shares["value"].isna().any():
        axis.text(0.5, 0.5, f"{TOO_FEW} responses", transform=axis.transAxes, ha="center")
    handles = [Line2D([], [], color=colour[one], linewidth=5, label=one) for one in CATEGORIES]
    axis.legend(handles=handles, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)


def _below(shares: pd.DataFrame, rung: str, category: str) -> float:
    """Where the bar of a category begins."""
    return float(sum(shares.loc[(rung, one), "value"] for one in CATEGORIES[: CATEGORIES.index(category)]))


def _band(axis: Axes, place: int, start: float, end: float, width: float, colour: str, same: bool) -> None:
    """From one bar to the next, as wide as its share; those that stay in their category are fainter."""
    along = np.linspace(0, 1, 40)
    lower = start + (end - start) * (3 * along**2 - 2 * along**3)
    across = place + BAR + (1 - 2 * BAR) * along
    axis.fill_between(across, lower, lower + width, color=colour, alpha=0.25 if same else 0.65, linewidth=0)


def _divergence(axis: Axes, ladder: Ladder, table: pd.DataFrame) -> None:
    """KL that is left at each rung, by kind of token."""
    rungs = [rung.name for rung in ladder.rungs]
    for index, (kind, colour) in enumerate(CURVES.items()):
        rows = table[(table["grouping"] == ("all" if kind == "all" else "kind")) & (table["group"] == kind)]
        if rows.empty:  # kinds of responses that are not English
            continue
        rows = rows.set_index("rung").reindex(rungs)
        across = np.arange(len(rungs)) + 0.06 * (index - 1.5)
        axis.plot(across, rows["value"], "o-", color=colour, markersize=3, linewidth=1, label=kind)
        axis.vlines(across, rows["low"], rows["high"], color=colour, linewidth=0.9)
    axis.set_xticks(range(len(rungs)), [textwrap.fill(rung.title, 9) for rung in ladder.rungs], fontsize=6.5)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("KL(aligned, rung), nats")
    axis.legend(frameon=False, title="tokens", title_fontsize=7.5)


def _by_kind(axis: Axes, ladder: Ladder, table: pd.DataFrame) -> None:
    """A point for each kind of token and step; the kind in words, with responses and tokens."""
    rows = table[table["grouping"].isin(["all", "kind"])]
    groups = [one for one in ("all", *KINDS) if one in set(rows["group"])]
    steps = [rung.name for rung in ladder.rungs if rung.name != BASE]
    labels = []
    for place, group in enumerate(groups):
        mine = rows[rows["group"] == group].set_index("rung")
        labels.append(f"{kind_name(group)} ({mine['examples'].max():,.0f} / {mine['tokens'].max():,.0f})")
        if mine["value"].isna().all():
            axis.annotate(TOO_FEW, (0.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=6.5)
        for index, step in enumerate(steps):
            at, colour = place + 0.7 * ((index + 0.5) / len(steps) - 0.5), STEPS[index % len(STEPS)]
            axis.hlines(at, mine.at[step, "low"], mine.at[step, "high"], color=colour, linewidth=1.1)
            axis.plot(mine.at[step, "value"], at, "o", color=colour, markersize=3)
    axis.set_yticks(range(len(groups)), labels, fontsize=7)
    axis.set_ylim(len(groups) - 0.4, -0.6)
    percent_frame(axis)


def _told(cfg: LadderFigure, table: pd.DataFrame) -> list[str]:
    lines = [data(cfg), "The stages and the aligned model read them in their own context."]
    for pair, ladder in zip(cfg.pairs, cfg.ladders, strict=True):
        rows = table[(table["pair"] == pair.name) & (table["grouping"] == "all")].set_index(["rung", "measure"])
        every = rows.loc[(BASE, "kl")]
        lines.append(f"{pair.title}, n = {every['examples']:,.0f} responses, {every['tokens']:,.0f} tokens.")
        if not by_kind(table[table["pair"] == pair.name]):
            lines.append(NO_KINDS)
        closed = [(rung.title, rows.loc[(rung.name, "kl_closed")]) for rung in ladder.rungs[1:]]
        if every["examples"] < cfg.min_examples:
            lines.append(f"n = {every['examples']:,.0f} is {TOO_FEW} to tell.")
        else:
            said = (f"to “{name}” {percent_numbers(row)} %" for name, row in closed)
            lines.append(f"Of the base's KL the steps close: {', '.join(said)}.")
    lines.append(
        f"Square brackets and whiskers: {interval(cfg)}s, bootstrap over responses; round brackets: responses / "
        "tokens that a share is of. The last two panels: of the tokens shifted in the base, and of its KL. "
        f"Settled: unshifted at that rung and at all above it. {TOO_FEW.capitalize()}: fewer than "
        f"{cfg.min_examples} responses."
    )
    return lines
