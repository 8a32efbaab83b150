"""How much of the shift in-context examples take back: the aligned responses under further contexts of the base."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from superficial.config.schema import ContextsFigure, RuntimeConfig
from superficial.probes.contexts.grouping import WIDTH as BIN
from superficial.shift.kinds.classify import KINDS
from superficial.shift.statistics.of_pairs import of_pairs
from superficial.views.figures.contexts import (
    Part,
    colours,
    legend,
    names,
    parts_of,
    percent_frame,
    percent_numbers,
    rows_of,
)
from superficial.views.figures.style import interval, save, set_style, shape, width
from superficial.views.notes.caption import data
from superficial.views.notes.contexts import TOO_FEW, by_kind, sentences
from superficial.views.notes.names import NOT_ENGLISH, group_name, kind_name
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="How much of the shift prompts recover",
    text=(
        "Share of shifted tokens that a prompt makes the base model's first choice, by kind of token, and the share"
        " of the divergence that it closes."
    ),
    slice="contexts_figure",
    reads=["results/stats/{dataset}/{pair}/{context}/recovery.csv"],
)

OVERALL = {
    "kl_closed": "KL closed (%)",
    "recovered": "shifted → first choice (%)",
    "lost": "no longer first choice (%)",
}
INSTRUCTIONS = {"instruction": "all ", "topic": ""}  # groupings of the right panel, and what their labels begin with
LEAST = -1.0  # a whisker that goes on to the left is cut: one rare kind must not squeeze all others


def run(cfg: ContextsFigure, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """For each pair: what each context recovers over all tokens, by kind and topic, and along the response."""
    started = time.monotonic()
    set_style()
    table = of_pairs(cfg, results, "recovery")
    table.loc[table["examples"] < cfg.min_examples, ["value", "low", "high"]] = np.nan
    further = [context.name for context in cfg.contexts[1:]]
    height = sum(_heights(cfg, further))
    figure = plt.figure(figsize=(width(cfg), 0.3 + height * len(cfg.pairs)), layout="constrained")
    for part, pair in zip(parts_of(figure, cfg), cfg.pairs, strict=True):
        _draw_pair(part, cfg, table[table["pair"] == pair.name], further)
    legend(figure, cfg, [context.name for context in cfg.contexts])
    save(figure, table, out, cfg, started, VIEW, _told(cfg, table))


def _heights(cfg: ContextsFigure, further: list[str]) -> list[float]:
    """Of the rows of panels, inches."""
    overall, groups = 0.55 + 0.3 * max(len(further), 1), 2.5
    return [overall, groups, 1.5] if cfg.columns == 2 else [3 * overall, 2 * groups, 1.5]


def _draw_pair(part: Part, cfg: ContextsFigure, table: pd.DataFrame, further: list[str]) -> None:
    """Three rows of panels: over all tokens, by group, by position."""
    above, groups, below = rows_of(part, _heights(cfg, further))
    axes = above.subplots(*shape(cfg, len(OVERALL)), sharey=True)
    for axis, (measure, label) in zip(axes, OVERALL.items(), strict=True):
        _overall(axis, cfg, table[table["measure"] == measure], further)
        axis.set_xlabel(label)
    closed = table[table["measure"] == "kl_closed"]
    left, right = groups.subplots(*shape(cfg, 2), sharex=True)
    kinds = closed[closed["grouping"] == "kind"]
    _by_group(left, cfg, kinds, sorted(kinds["group"].unique(), key=KINDS.index), further)
    rows = closed[closed["grouping"].isin(INSTRUCTIONS)]
    instructions = rows.assign(group=rows["grouping"].map(INSTRUCTIONS) + rows["group"]).sort_values(
        "grouping", key=lambda names: names.map(list(INSTRUCTIONS).index), kind="stable"
    )
    _by_group(right, cfg, instructions, list(instructions["group"].unique()), further)
    if not by_kind(table):
        left.text(0.03, 0.5, NOT_ENGLISH, transform=left.transAxes, va="center")
    left.set_title("by kind of token", loc="left")
    right.set_title("by instruction and topic", loc="left")
    for axis in (left, right):
        axis.set_xlabel("KL closed (%)")
    shown = closed[(closed["grouping"].isin(["kind", *INSTRUCTIONS])) & closed["context"].isin(further)]
    low, high = np.nanmin([-0.02, *shown["low"]]), np.nanmax([0.2, *shown["high"]])
    left.set_xlim(1.05 * max(low, LEAST), 1.05 * high)
    _by_position(below.subplots(), cfg, table[(table["measure"] == "kl") & (table["grouping"] == "position")])


def _overall(axis: Axes, cfg: ContextsFigure, table: pd.DataFrame, further: list[str]) -> None:
    """A point with its interval for each further context; the base recovers 0, the aligned model 100 %."""
    rows = table[table["grouping"] == "all"].set_index("context")
    for place, name in enumerate(further):
        row = rows.loc[name]
        _point(axis, row, place, colours(cfg)[name], 4.5)
        text = TOO_FEW if np.isnan(row["value"]) else percent_numbers(row)
        axis.text(0.97, place - 0.3, text, ha="right", va="center", fontsize=6.5)
    axis.set_yticks(range(len(further)), [names(cfg)[name] for name in further])
    axis.set_ylim(max(len(further), 1) - 0.5, -0.75)
    axis.set_xlim(min(-0.02, np.nanmin([0, *rows.loc[further, "low"]]) * 1.1), 1.02)
    axis.axvline(1, color="black", linewidth=0.8, linestyle=":")
    if not further:
        axis.text(0.5, 0.5, "no further contexts", transform=axis.transAxes, ha="center", va="center")
    percent_frame(axis)


def _by_group(axis: Axes, cfg: ContextsFigure, table: pd.DataFrame, groups: list[str], further: list[str]) -> None:
    """A point for each group and further context; groups with too few responses are named, not drawn."""
    labels = []
    for place, group in enumerate(groups):
        rows = table[table["group"] == group].set_index("context")
        counts = rows.iloc[0]
        name = group_name(kind_name(group))
        labels.append(f"{name} ({counts['examples']:.0f} / {counts['tokens']:,.0f})")
        if further and rows["value"].isna().all():
            axis.annotate(TOO_FEW, (0.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=6.5)
        for index, name in enumerate(further):
            _point(axis, rows.loc[name], place + 0.6 * ((index + 0.5) / len(further) - 0.5), colours(cfg)[name], 2.8)
    axis.set_yticks(range(len(groups)), labels, fontsize=7)
    axis.set_ylim(max(len(groups), 1) - 0.4, -0.6)
    percent_frame(axis)


def _point(axis: Axes, row: "pd.Series[float]", place: float, colour: str, size: float) -> None:
    axis.hlines(place, row["low"], row["high"], color=colour, linewidth=1.1)
    axis.plot(row["value"], place, "o", color=colour, markersize=size)


def _by_position(axis: Axes, cfg: ContextsFigure, table: pd.DataFrame) -> None:
    """KL to the aligned model along the response, a line for each context with its band."""
    for name in (context.name for context in cfg.contexts):
        rows = table[table["context"] == name].assign(position=lambda found: found["group"].astype(int))
        rows = rows[(rows["position"] < cfg.max_position) & rows["value"].notna()].sort_values("position")
        middle = rows["position"] + BIN / 2 - 0.5
        axis.plot(middle, rows["value"], color=colours(cfg)[name], linewidth=1.2)
        axis.fill_between(middle, rows["low"], rows["high"], color=colours(cfg)[name], alpha=0.15, linewidth=0)
    axis.set_title("along the response", loc="left")
    axis.set_ylabel("KL to aligned, nats")
    axis.set_xlabel(f"position in the response (tokens; means over {BIN})")
    axis.set_ylim(bottom=0)
    if table["value"].isna().all():
        axis.text(0.5, 0.5, f"{TOO_FEW} responses at every position", transform=axis.transAxes, ha="center")


def _told(cfg: ContextsFigure, table: pd.DataFrame) -> list[str]:
    lines = [data(cfg), f"Further contexts are held against {cfg.contexts[0].title}."]
    for pair in cfg.pairs:
        rows = table[table["pair"] == pair.name]
        every = rows[(rows["grouping"] == "all") & (rows["measure"] == "kl")].iloc[0]
        lines.append(f"{pair.title}, n = {every['examples']:,.0f} responses, {every['tokens']:,.0f} tokens.")
        if cfg.contexts[1:]:
            lines += sentences(rows, cfg.contexts[-1], cfg.min_examples)
    lines.append(
        f"Brackets, whiskers and bands: {interval(cfg)}s, bootstrap over responses; in round brackets responses / "
        f"tokens. {TOO_FEW.capitalize()}: fewer than {cfg.min_examples} responses. "
        "Dotted: the aligned model in the base's place, 100 %."
    )
    return lines
