"""One look for all figures, and one way to save."""

import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.transforms import Bbox

from superficial.artifacts.files import whole_file, write_sidecar
from superficial.artifacts.table import write_table
from superficial.config.schema import FigureConfig, FigureStage, JudgedView, ResponsesView
from superficial.views.figures.letters import REMEDY, boxes, dress
from superficial.views.notes.caption import Caption, caption
from superficial.views.view import View

WIDTHS = {1: 3.25, 2: 6.75}  # inches, by columns of a paper's page
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")  # one a pair: Okabe-Ito, safe for colour blindness

# Equal runs give equal bytes: no dates, no random ids in the files.
_IDS = re.compile(r"(?<=[\"#])(?:[mph]|C[0-9a-f]+_[0-9a-f]+_)[0-9a-f]{10}(?=[\")])")
EDGE, GAP = 0.04, 0.1  # inches of white around a figure, and between it and its words
METADATA: Mapping[str, Mapping[str, None]] = {"pdf": {"CreationDate": None, "ModDate": None}, "svg": {"Date": None}}


def set_style() -> None:
    """Small sans-serif type, thin axes, fonts embedded as text."""
    sns.set_theme(
        context="paper",
        style="ticks",
        rc={
            "font.size": 8,
            "axes.titlesize": 8.5,
            "axes.labelsize": 8,
            "xtick.labelsize": 7.5,
            "ytick.labelsize": 7.5,
            "legend.fontsize": 7.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.linewidth": 0.7,
            "pdf.fonttype": 42,
            "svg.fonttype": "path",
            "svg.hashsalt": "superficial",
            "text.hinting": "none",  # characters keep the widths that a layout counts on
            "text.parse_math": False,  # a "$" in a token is a dollar sign
        },
    )


def width(cfg: FigureConfig) -> float:
    """How wide the figure is, inches: exactly, so that print need not scale it."""
    return WIDTHS[cfg.columns]


def shape(cfg: FigureConfig, panels: int) -> tuple[int, int]:
    """Rows and columns of so many panels: beside each other across a page, one below the other in one column."""
    return (1, panels) if cfg.columns == 2 else (panels, 1)


def save(
    figure: Figure, table: pd.DataFrame, out: Path, cfg: FigureConfig, started: float, view: View, told: Sequence[str]
) -> None:
    """Write PDF, PNG and SVG beside `out`, the CSV that was drawn, the caption, and a sidecar.

    The title that `view` declares stands above the panels. All else that has to be said of this run is `told` in the
    caption, a sentence or a few each.
    """
    write_table(table, out.with_suffix(".csv"))
    said = caption(view, told)
    if lost := _words(figure, said, cfg.notes):
        why = f"no font on this machine for {', '.join(lost)}; boxes stand for them"
        print(f"note: figures/{out.stem}: {why} | remedy: {REMEDY}", file=sys.stderr)
    area = _area(figure)
    for kind in ("png", "svg", "pdf"):
        with whole_file(out.with_suffix(f".{kind}")) as partial:
            figure.savefig(partial, dpi=cfg.dpi, metadata=METADATA.get(kind), bbox_inches=area)
            if kind == "svg":
                partial.write_text(numbered(partial.read_text(encoding="utf-8")), encoding="utf-8")
    plt.close(figure)
    forms = [out.with_suffix(f".{kind}") for kind in ("pdf", "png", "svg", "csv")]
    for suffix, text in said.forms().items():
        with whole_file(out.with_suffix(suffix)) as partial:
            partial.write_text(text, encoding="utf-8")
        forms.append(out.with_suffix(suffix))
    config = cfg.model_dump(mode="json")
    facts = {"without_a_font": lost}
    write_sidecar(forms, stage=f"figures/{out.stem}", config=config, inputs={}, started=started, facts=facts)


def _words(figure: Figure, said: Caption, notes: bool) -> list[str]:
    """The title above everything that is drawn, and with `notes` the caption below it; returns what has no font."""
    across, high = figure.get_size_inches()
    look: dict[str, Any] = {"ha": "left", "visible": False}  # until it is known where
    title = "\n".join(wrap(said.title, int(14 * across)))
    above = figure.text(EDGE / across, 1, title, va="bottom", fontsize=9, weight="bold", **look)
    look |= {"va": "top", "fontsize": 7, "linespacing": 1.25}
    below = [figure.text(EDGE / across, 0, "\n".join(wrap(said.text, int(19 * across))), **look)] if notes else []
    if lost := dress(figure):
        below.insert(0, figure.text(EDGE / across, 0, "\n".join(wrap(boxes(lost), int(19 * across))), **look))
    figure.canvas.draw()
    figure.set_layout_engine(None)  # everything has its place now; with "none" every format would be drawn twice
    for legend in figure.legends:
        if legend.get_bbox_to_anchor() is figure.bbox:  # which is another while more or less of the canvas is saved
            legend.set_bbox_to_anchor((0, 0, 1, 1), transform=figure.transFigure)
    box = figure.get_tightbbox()
    above.set(y=(box.y1 + GAP) / high, visible=True)
    bottom = box.y0
    for text in below:
        text.set(y=(bottom - GAP) / high, visible=True)
        bottom = float(text.get_window_extent().y0) / figure.dpi
    return lost


def _area(figure: Figure) -> Bbox:
    """What is kept of the canvas: all of its width, and as much above and below as is drawn."""
    figure.canvas.draw()
    box, across = figure.get_tightbbox(), float(figure.get_size_inches()[0])
    return Bbox([[min(0, box.x0), box.y0 - EDGE], [max(across, box.x1), box.y1 + EDGE]])


def numbered(svg: str) -> str:
    """Ids in the order in which they come: Matplotlib's hash coordinates, whose last bits differ between equal runs.

    >>> numbered('<path id="m0123456789"/><use href="#m0123456789"/><g clip-path="url(#pabcdef0123)"/>')
    '<path id="i0"/><use href="#i0"/><g clip-path="url(#i1)"/>'
    """
    seen: dict[str, str] = {}
    return _IDS.sub(lambda found: seen.setdefault(found[0], f"i{len(seen)}"), svg)


def colours(cfg: FigureStage) -> dict[str, str]:
    """Colour of each category."""
    return {"unshifted": cfg.unshifted, "marginal": cfg.marginal, "shifted": cfg.shifted}


def pair_colour(index: int) -> str:
    """Colour of the curves of the pair that the run names at `index`."""
    return LINES[index % len(LINES)]


def name_curves(part: Figure | SubFigure, axis: Axes, empty: str, ncols: int = 2) -> None:
    """The curves of `axis` named below the panels of `part`; where there are none, `axis` says why."""
    handles, labels = axis.get_legend_handles_labels()
    if handles:
        part.legend(handles, labels, frameon=False, loc="outside lower center", ncols=ncols)
    else:
        axis.text(0.5, 0.5, empty, transform=axis.transAxes, ha="center", va="center")


def percent(value: float, low: float, high: float) -> str:
    """A share with its interval.

    >>> percent(0.5, 0.25, 0.75)
    '50.0 % [25.0, 75.0]'
    """
    return f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def interval(cfg: FigureStage | JudgedView | ResponsesView) -> str:
    """What brackets, bands and whiskers are: "95 % interval"."""
    return f"{100 * cfg.confidence:g} % interval"


def wrap(text: str, limit: int) -> list[str]:
    """Lines of at most `limit` letters; a percent sign stays with its number, an interval in one piece.

    >>> wrap("more than 50 % [40, 60] of them", 16)
    ['more than 50\xa0%', '[40,\xa060] of them']
    """
    together = re.sub(r" %|\[[^\[\]]{,30}\]", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    return textwrap.wrap(together, limit)


def shorten(text: str, limit: int) -> str:
    """`text` cut to `limit` characters, with an ellipsis when something is missing."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
