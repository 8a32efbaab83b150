"""How far a judge can be trusted: what moves its scores that must not, and what it does when nothing should."""

import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from superficial.artifacts.markup import minus
from superficial.artifacts.table import read_table
from superficial.config.schema import RuntimeConfig, TrustFigure
from superficial.views.figures.style import EDGE, LINES, interval, save, set_style, shorten, width
from superficial.views.view import View

VIEW = View(
    category="Judged answers",
    title="How far the judge can be trusted",
    text=(
        "Share unscored, the commonest score, scores of responses that were changed where it must not matter, and how"
        " often a comparison flips with the order."
    ),
    slice="trust_figure",
    files={"trust": "results/judged/{dataset}/{judge}.trust.csv"},
    part_of=["models", "published"],
    needs="judge",
)

GOOD, BAD = LINES[0], LINES[1]
AXES = ((1.05, 1.05), (1.36, 0.9))  # inches: from the left of a panel to its axis, and how wide that is
ROW, HEAD, FOOT, SECOND = 0.36, 0.3, 0.4, 3.5  # inches; the second panel starts there, or below the first
# Measure -> label, and the value that a good judge has, if there is one.
SHARES = {
    "unscored": ("without a score", 0.0),
    "commonest": ("scores that round to {}, its commonest", None),
    "first": ("prefers the response shown first", 0.5),
    "orders_agree": ("same verdict in both orders", 1.0),
    "same": ("same score as {}", 1.0),
    "agreement": ("weighted kappa with {}", 1.0),
}


def run(cfg: TrustFigure, runtime: RuntimeConfig, *, trust: Path, out: Path) -> None:
    """Left: change of score by variant. Right: shares, each with the value that a good judge has."""
    started = time.monotonic()
    set_style()
    table = read_table(trust).fillna({"variant": ""})
    shifts = table[table["measure"] == "shift"]
    shares = table[table["measure"].isin(SHARES)]
    first, second = _panels(cfg, len(shifts), len(shares))
    _draw_shifts(first, shifts, table[table["measure"] == "moved"].set_index("variant"))
    _draw_shares(second, shares)
    save(first.figure, table, out, cfg, started, VIEW, _told(cfg))  # type: ignore[arg-type]


def _panels(cfg: TrustFigure, *rows: int) -> list[Axes]:
    """Two axes with room for so many rows: beside each other across a page, one below the other in one column."""
    beside = cfg.columns == 2
    heights = [ROW * max(*rows, 3)] * 2 if beside else [ROW * max(count, 3) for count in rows]
    panels = [HEAD + height + FOOT for height in heights]
    across, whole = width(cfg), panels[0] if beside else sum(panels)
    figure, found, top = plt.figure(figsize=(across, whole)), [], whole
    for at, (left, wide) in enumerate(AXES):
        corner = (left + SECOND * at * beside) / across, (top - HEAD - heights[at]) / whole
        found.append(figure.add_axes((*corner, wide / across, heights[at] / whole)))
        top -= 0 if beside else panels[0]
    return found


def _name(axis: Axes, title: str, place: int) -> None:
    """The title of a panel, at its left edge."""
    left, wide = AXES[place]
    axis.set_title(title, loc="left", x=(EDGE - left) / wide)


def _draw_shifts(axis: Axes, shifts: pd.DataFrame, moved: pd.DataFrame) -> None:
    _name(axis, "Change of score by what is added", 0)
    if shifts.empty:
        _nothing(axis, "no response was judged again")
        return
    for place, row in enumerate(shifts.to_dict("records")):
        colour = GOOD if row["low"] <= 0 <= row["high"] else BAD
        _point(axis, place, row, colour)
        moves = _percent(moved.loc[row["variant"], "value"])
        text = f"{_signed(row['value'])} [{_signed(row['low'])}, {_signed(row['high'])}]"
        text = "all unscored" if np.isnan(row["value"]) else f"{text}\n{moves} moved; n {row['n']:.0f}"
        axis.annotate(text, (1.04, place), xycoords=("axes fraction", "data"), va="center", fontsize=6.6, color=colour)
    axis.axvline(0, color="0.4", linewidth=0.7)
    reach = max(0.2, 1.1 * np.nanmax(np.abs(shifts[["low", "high"]].to_numpy(float)), initial=0))
    axis.set_xlim(-reach, reach)
    _rows(axis, [textwrap.fill(shorten(name, 40), 18) for name in shifts["variant"]])
    axis.set_xlabel("points of 1..5")


def _draw_shares(axis: Axes, shares: pd.DataFrame) -> None:
    _name(axis, "By itself and beside others", 1)
    if shares.empty:
        _nothing(axis, "nothing was measured")
        return
    labels = []
    for place, row in enumerate(shares.to_dict("records")):
        label, good = SHARES[row["measure"]]
        _point(axis, place, row, "black")
        if good is not None:
            axis.plot(good, place, "|", color=GOOD, markersize=10, markeredgewidth=1.6)
        text = minus(f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]")
        if row["measure"] != "agreement":
            text = f"{_percent(row['value'])} [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"
        text = "not known" if np.isnan(row["value"]) else text
        text += f"\nn {row['n']:.0f}"
        axis.annotate(text, (1.06, place), xycoords=("axes fraction", "data"), va="center", fontsize=6.6)
        labels.append(textwrap.fill(label.format(row["variant"]), 22))
    axis.set_xlim(min(0, np.nanmin(shares["low"], initial=0)) - 0.03, 1.03)  # a kappa may be below 0
    axis.set_xticks([0, 0.5, 1])
    axis.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")
    _rows(axis, labels)
    axis.set_xlabel("% (kappa: of 1)")


def _point(axis: Axes, place: int, row: dict[str, float], colour: str) -> None:
    axis.hlines(place, row["low"], row["high"], color=colour, linewidth=1.3, clip_on=False)
    axis.plot(row["value"], place, "o", color=colour, markersize=4, clip_on=False)


def _rows(axis: Axes, labels: list[str]) -> None:
    axis.set_yticks(range(len(labels)), labels, fontsize=7)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color="0.9", linewidth=0.6)
    axis.set_axisbelow(True)


def _nothing(axis: Axes, why: str) -> None:
    axis.axis("off")
    axis.text(0.5, 0.5, why, ha="center", va="center", transform=axis.transAxes)


def _signed(value: float) -> str:
    return minus(f"{round(value, 2) + 0.0:+.2f}").replace("+0.00", "0.00")


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _told(cfg: TrustFigure) -> list[str]:
    whose = "the aligned model" if cfg.systems else "one system"
    return [
        f"Judge: {cfg.judge.title}. {cfg.judge.caveat.strip()}",
        f"Data: {cfg.data}. Change of score: responses of {whose} judged again, unchanged or with a line break or "
        "sentence after them that makes none of them better; the sentences stand in resources/judging/canaries.yaml. "
        f"Whiskers and brackets: {interval(cfg)}s, bootstrap over responses; n: scores or verdicts. Moved: by half a "
        "point or more. Blue bars: where a judge without fault stands; half of the verdicts for the response shown "
        "first is no bias.",
    ]
