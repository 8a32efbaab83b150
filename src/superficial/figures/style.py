"""One look for all figures, and one way to save them."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from superficial.artifact import whole_file, write_sidecar
from superficial.schema import FigureStage
from superficial.table import write_table

WIDTH = 7.0  # inches: the text width of a paper page
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")  # one a pair: Okabe-Ito, safe for colour blindness

# Equal runs give equal bytes: no dates, no random ids in the files.
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


def save(figure: Figure, table: pd.DataFrame, out: Path, cfg: FigureStage, started: float) -> None:
    """Write PDF, PNG and SVG beside `out`, the CSV that was drawn, and a sidecar."""
    write_table(table, out.with_suffix(".csv"))
    for kind in ("png", "svg", "pdf"):
        with whole_file(out.with_suffix(f".{kind}")) as partial:
            figure.savefig(partial, dpi=cfg.dpi, metadata=METADATA.get(kind), bbox_inches="tight", pad_inches=0.06)
    plt.close(figure)
    inputs = {"table": out.with_suffix(".csv")}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage=f"figures/{out.stem}", config=config, inputs=inputs, started=started, facts={})


def colours(cfg: FigureStage) -> dict[str, str]:
    """Colour of each category."""
    return {"unshifted": cfg.unshifted, "marginal": cfg.marginal, "shifted": cfg.shifted}


def interval(cfg: FigureStage) -> str:
    """What brackets, bands and whiskers are: "95 % interval"."""
    return f"{100 * cfg.confidence:g} % interval"


def shorten(text: str, limit: int) -> str:
    """`text` cut to `limit` characters, with an ellipsis when something is missing."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
