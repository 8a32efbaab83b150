"""What the figures of contexts share: names and colours, and a part of the figure for each pair."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from superficial.config.schema import ContextsFigure
from superficial.probes.contexts.recovery import ALIGNED
from superficial.views.figures.style import LINES

OWN, TARGET = "#777777", "#000000"  # colours of the base's own context and of the aligned model
OTHERS = [colour for colour in LINES if colour != TARGET]
Part = Figure | SubFigure


def colours(cfg: ContextsFigure) -> dict[str, str]:
    """Colour of each context by name, the base's own and the aligned model included."""
    own, *others = (context.name for context in cfg.contexts)
    found = {name: OTHERS[index % len(OTHERS)] for index, name in enumerate(others)}
    return {own: OWN, **found, ALIGNED: TARGET}


def names(cfg: ContextsFigure) -> dict[str, str]:
    """Title of each context by name."""
    return {context.name: context.title for context in cfg.contexts} | {ALIGNED: "Aligned model"}


def rows_of(part: Part, heights: Sequence[float]) -> list[SubFigure]:
    """Parts of a part, one below the other, with these relative heights."""
    found: Any = part.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)
    return [row[0] for row in found]


def parts_of(figure: Figure, cfg: ContextsFigure) -> Sequence[Part]:
    """A part of the figure for each pair, one below the other, under the pair's title where there are several."""
    if len(cfg.pairs) == 1:
        return [figure]
    parts = rows_of(figure, [1] * len(cfg.pairs))
    for part, pair in zip(parts, cfg.pairs, strict=True):
        part.suptitle(pair.title, x=0.01, ha="left", fontsize=8.5, fontweight="bold")
    return parts


def legend(figure: Figure, cfg: ContextsFigure, shown: Iterable[str]) -> None:
    """Title and colour of the contexts in `shown`, below all panels."""
    colour, title = colours(cfg), names(cfg)
    handles = [Line2D([], [], color=colour[name], label=title[name]) for name in shown]
    figure.legend(handles=handles, frameon=False, loc="outside lower center", ncols=min(len(handles), 2 * cfg.columns))


def percent_axis(axis: Axes, which: str) -> None:
    """Write shares as percent on the axis `which`, "x" or "y"."""
    getattr(axis, f"{which}axis").set_major_formatter(lambda value, _: f"{100 * value:.0f}".replace("-", "−"))


def percent_frame(axis: Axes) -> None:
    """Shares across, groups from top to bottom: a line at 0, a grid, percent below."""
    axis.axvline(0, color="0.5", linewidth=0.8)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color="0.9", linewidth=0.6)
    axis.set_axisbelow(True)
    percent_axis(axis, "x")


def percent_numbers(row: "pd.Series[float]") -> str:
    """A share with its interval, in percent."""
    return f"{100 * row['value']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]".replace("-", "−")
