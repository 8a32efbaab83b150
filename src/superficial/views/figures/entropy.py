"""How sure the base is: its entropy along the response in every context, shifts by entropy, and its calibration."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from superficial.config.schema import ContextsFigure, RuntimeConfig
from superficial.probes.contexts.entropy import EDGES, SURE, TENTHS
from superficial.probes.contexts.grouping import WIDTH as BIN
from superficial.shift.statistics.of_pairs import of_pairs
from superficial.views.figures.contexts import Part, colours, legend, names, parts_of, percent_axis, rows_of
from superficial.views.figures.style import interval, percent, save, set_style, shape, width
from superficial.views.notes.caption import data
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="How sure the base is where it shifts",
    text=(
        "Entropy by position for every context, rate of shifted tokens by the base's entropy, and the calibration of"
        " its probabilities."
    ),
    slice="contexts_figure",
    reads=["results/stats/{dataset}/{pair}/{context}/entropy.csv"],
)

DASHED = (0, (4, 2))


def run(cfg: ContextsFigure, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """For each pair: entropy by position, shifted tokens by entropy, how often the first choice is taken."""
    started = time.monotonic()
    set_style()
    table = of_pairs(cfg, results, "entropy")
    table.loc[table["examples"] < cfg.min_examples, ["value", "low", "high"]] = np.nan
    high = 4.6 if cfg.columns == 2 else 6.8  # inches
    figure = plt.figure(figsize=(width(cfg), 0.3 + high * len(cfg.pairs)), layout="constrained")
    for part, pair in zip(parts_of(figure, cfg), cfg.pairs, strict=True):
        _draw_pair(part, cfg, table[table["pair"] == pair.name])
    legend(figure, cfg, names(cfg))
    save(figure, table, out, cfg, started, VIEW, _told(cfg, table))


def _draw_pair(part: Part, cfg: ContextsFigure, table: pd.DataFrame) -> None:
    above, below = rows_of(part, [1, 1.25 if cfg.columns == 2 else 2.4])
    _by_position(above.subplots(), cfg, table[table["view"] == "position"])
    left, right = below.subplots(*shape(cfg, 2))
    own = table[table["context"] == cfg.contexts[0].name]
    _by_entropy(left, cfg, own[own["view"] == "entropy"])
    _calibration(right, cfg, table[table["view"] == "calibration"])


def _by_position(axis: Axes, cfg: ContextsFigure, table: pd.DataFrame) -> None:
    """A line with its band for every context and for the aligned model; the right axis says how many tokens that is."""
    for name, colour in colours(cfg).items():
        rows = table[(table["context"] == name) & (table["bin"] < cfg.max_position) & table["value"].notna()]
        middle = rows["bin"] + BIN / 2 - 0.5
        axis.plot(middle, rows["value"], color=colour, linewidth=1.2)
        axis.fill_between(middle, rows["low"], rows["high"], color=colour, alpha=0.13, linewidth=0)
    axis.set_title("Entropy along the response", loc="left")
    axis.set_xlabel(f"position in the response (tokens; means over {BIN})")
    axis.set_ylabel("entropy, nats")
    axis.set_ylim(bottom=0)
    branching = axis.secondary_yaxis("right", functions=(_exp, _log))
    branching.set_ylabel("branching factor")
    branching.yaxis.set_major_locator(FixedLocator([1, 2, 3, 5, 10, 20, 50, 100, 1000]))
    branching.yaxis.set_minor_locator(NullLocator())
    branching.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _exp(entropy: Any) -> Any:
    return np.exp(entropy)


def _log(branching: Any) -> Any:
    return np.log(np.maximum(branching, 1e-9))  # an axis asks below 1, too


def _by_entropy(axis: Axes, cfg: ContextsFigure, table: pd.DataFrame) -> None:
    """Shifted tokens in bins of the base's entropy, beside how many would be shifted if the base drew them."""
    place = {edge: at for at, edge in enumerate(EDGES)}
    shifted = table[table["measure"] == "shifted"]
    at = shifted["bin"].map(place)
    axis.vlines(at, shifted["low"], shifted["high"], color=cfg.shifted, linewidth=1.3)
    axis.plot(at, shifted["value"], "o", color=cfg.shifted, markersize=4, label="shifted")
    drawn = table[table["measure"] == "drawn"]
    axis.plot(
        drawn["bin"].map(place), drawn["value"], "_", color="black", markersize=11, markeredgewidth=1.3,
        label="if the base drew its token",
    )  # fmt: skip
    _counts(axis, at, shifted, cfg)
    axis.set_xticks(np.arange(len(EDGES)) - 0.5, [f"{edge:g}" for edge in EDGES])  # borders of the bins
    axis.set_xlim(-0.7, len(EDGES) - 0.3)
    axis.set_ylim(0, 1.12)
    axis.set_title("Shifted tokens (%)", loc="left")
    axis.set_xlabel("entropy of the base, nats")
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 0.9))
    _frame(axis)


def _calibration(axis: Axes, cfg: ContextsFigure, table: pd.DataFrame) -> None:
    """How often the aligned model took the base's first choice, by the probability that the base gave it."""
    axis.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle=DASHED)
    for index, context in enumerate(cfg.contexts):
        rows = table[table["context"] == context.name]
        taken = rows[rows["measure"] == "first"].set_index("bin")
        at = rows[rows["measure"] == "probability"].set_index("bin")["value"].reindex(taken.index)
        colour = colours(cfg)[context.name]
        axis.vlines(at, taken["low"], taken["high"], color=colour, linewidth=1)
        axis.plot(at, taken["value"], "o-", color=colour, markersize=3, linewidth=0.8)
        if index == 0:
            _counts(axis, taken.index + 0.5 / TENTHS, taken, cfg)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1.12)
    axis.set_title("First choice is the response's token (%)", loc="left")
    axis.set_xlabel("probability of the base's first choice, %")
    percent_axis(axis, "x")
    _frame(axis)


def _counts(axis: Axes, places: "pd.Series[float]", rows: pd.DataFrame, cfg: ContextsFigure) -> None:
    """The number of tokens above every bin; in grey where too few responses stand behind it."""
    for place, row in zip(places, rows.itertuples(), strict=True):
        colour = "0.6" if row.examples < cfg.min_examples else "0.2"
        axis.text(place, 1.06, f"{row.tokens:,}", ha="center", va="center", fontsize=6, color=colour)


def _frame(axis: Axes) -> None:
    axis.set_yticks([0, 0.25, 0.5, 0.75, 1])
    percent_axis(axis, "y")
    axis.grid(axis="y", color="0.9", linewidth=0.6)
    axis.set_axisbelow(True)


def _told(cfg: ContextsFigure, table: pd.DataFrame) -> list[str]:
    lines = [data(cfg)]
    for pair in cfg.pairs:
        rows = table[(table["pair"] == pair.name) & (table["context"] == cfg.contexts[0].name)]
        own = rows[rows["view"] == "all"].set_index("measure")
        shifted = own.loc["shifted"]
        lines.append(f"{pair.title}, n = {shifted['examples']:,.0f} responses, {shifted['tokens']:,.0f} tokens.")
        drawn = f"; if the base drew its tokens, {_share(own.loc['drawn'])} would be" if "drawn" in own.index else ""
        lines.append(f"Shifted: {_share(shifted)} of the tokens{drawn}.")
        sure = f"where the base's first choice had at least {100 * SURE:.0f} % of the probability"
        lines.append(f"Of the shifted tokens {_share(own.loc['sure'])} stand {sure}.")
    lines.append(
        f"Brackets, bars and bands: {interval(cfg)}s, bootstrap over responses; of fewer than {cfg.min_examples} "
        f"responses: a grey count, no point. Above the points: tokens, under {cfg.contexts[0].title}. "
        "Branching factor: exp(mean entropy). Responses are greedy: a first choice may well be taken more often than "
        "its probability says."
    )
    return lines


def _share(row: "pd.Series[float]") -> str:
    return "too few" if np.isnan(row["value"]) else percent(row["value"], row["low"], row["high"])
