"""One look for all figures, and one way to save."""

import re
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from superficial.artifacts.files import whole_file, write_sidecar
from superficial.artifacts.table import write_table
from superficial.config.schema import FigureConfig, FigureStage, JudgedView, ResponsesView
from superficial.views.figures.letters import REMEDY, dress

WIDTH = 7.0  # inches: the text width of a paper page
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")  # one a pair: Okabe-Ito, safe for colour blindness

# Equal runs give equal bytes: no dates, no random ids in the files.
_IDS = re.compile(r"(?<=[\"#])(?:[mph]|C[0-9a-f]+_[0-9a-f]+_)[0-9a-f]{10}(?=[\")])")
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


def save(figure: Figure, table: pd.DataFrame, out: Path, cfg: FigureConfig, started: float) -> None:
    """Write PDF, PNG and SVG beside `out`, the CSV that was drawn, and a sidecar."""
    write_table(table, out.with_suffix(".csv"))
    if lost := dress(figure):
        told = f"no font on this machine for {', '.join(lost)}; boxes stand for them"
        print(f"note: figures/{out.stem}: {told} | remedy: {REMEDY}", file=sys.stderr)
    for kind in ("png", "svg", "pdf"):
        with whole_file(out.with_suffix(f".{kind}")) as partial:
            figure.savefig(partial, dpi=cfg.dpi, metadata=METADATA.get(kind), bbox_inches="tight", pad_inches=0.06)
            if kind == "svg":
                partial.write_text(numbered(partial.read_text(encoding="utf-8")), encoding="utf-8")
    plt.close(figure)
    forms = [out.with_suffix(f".{kind}") for kind in ("pdf", "png", "svg", "csv")]
    config = cfg.model_dump(mode="json")
    facts = {"without_a_font": lost}
    write_sidecar(forms, stage=f"figures/{out.stem}", config=config, inputs={}, started=started, facts=facts)


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


def frame_panels(figure: Figure, axis: Axes, title: str, empty: str) -> None:
    """Title above all panels, the curves of `axis` named below them; where there are none, `axis` says why."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=8.5)
    name_curves(figure, axis, empty)


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
