"""Radar charts of scores: one spoke for each group, one line for each system, intervals along the spokes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.projections.polar import PolarAxes

from superficial.config.schema import JudgedFigure
from superficial.judging.judges.aspects import HIGHEST, LOWEST
from superficial.views.figures.style import LINES

DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
# Okabe-Ito once more: orange, sky blue and yellow-green join the five of the other figures.
PAINT = (*LINES[:4], "#E69F00", "#56B4E9", LINES[4])


def look(index: int) -> dict[str, Any]:
    """Colour and dashes of the system with this index: no two of the first 21 are alike."""
    return {"color": PAINT[index % len(PAINT)], "linestyle": DASHES[index // len(PAINT) % len(DASHES)]}


def handles(count: int) -> list[Line2D]:
    """What a legend shows of the first `count` systems."""
    return [Line2D([], [], linewidth=1.4, **look(index)) for index in range(count)]


def grouped(cfg: JudgedFigure, keys: Sequence[tuple[str, str]]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Title and (system, judge) of each panel."""
    if not cfg.groups:
        return [("", list(keys))]
    return [(group.title, [key for key in keys if key[0] in group.systems]) for group in cfg.groups]


def draw_radar(
    axis: PolarAxes, spokes: Sequence[str], labels: Sequence[str], systems: Sequence[pd.DataFrame], least: int
) -> None:
    """Draw systems, each a table with index `spokes` and mean, ci_low, ci_high, n; missing spokes are left open.

    Points from fewer than `least` instructions are hollow.
    """
    angles = np.arange(len(spokes)) * 2 * np.pi / max(len(spokes), 1)
    axis.set_theta_zero_location("N")
    axis.set_theta_direction(-1)
    axis.set_ylim(LOWEST - 0.35, HIGHEST)
    axis.set_yticks(range(LOWEST, HIGHEST + 1), [str(tick) for tick in range(LOWEST, HIGHEST + 1)], fontsize=6)
    axis.set_rlabel_position(180 / max(len(spokes), 1))
    axis.set_xticks(angles, labels)
    axis.tick_params(axis="x", pad=0)
    for label, side in zip(axis.get_xticklabels(), np.sin(angles), strict=True):
        label.set_horizontalalignment("left" if side > 0.1 else "right" if side < -0.1 else "center")
    axis.grid(linewidth=0.4, color="#CCCCCC")
    axis.spines["polar"].set_linewidth(0.5)
    for index, table in enumerate(systems):
        colour = look(index)["color"]
        rows = table.reindex(spokes)
        # A little beside each other, so that points and whiskers of one spoke can be told apart.
        at = angles + 0.03 * (index - (len(systems) - 1) / 2)
        closed = [*range(len(spokes)), 0]
        mean = rows["mean"].to_numpy()
        axis.plot(at[closed], mean[closed], linewidth=1.1, **look(index))
        axis.vlines(at, rows["ci_low"], rows["ci_high"], color=colour, linewidth=0.9, alpha=0.7)
        few = (rows["n"] < least).to_numpy()
        for chosen, fill in ((~few, colour), (few, "white")):
            axis.plot(
                at[chosen], mean[chosen], "o", markersize=2.8, markerfacecolor=fill, markeredgecolor=colour,
                markeredgewidth=0.9,
            )  # fmt: skip
