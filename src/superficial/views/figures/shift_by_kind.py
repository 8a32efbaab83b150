"""What kind of token shifts: style, safety, content and the rest; the paper's claim on stylistic tokens in numbers."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from superficial.artifacts.table import read_table
from superficial.config.schema import FigureStage, RuntimeConfig
from superficial.shift.kinds.classify import KINDS
from superficial.shift.kinds.language import kinds_hold
from superficial.views.figures.style import interval, pair_colour, save, set_style, shape, width
from superficial.views.notes.caption import data
from superficial.views.notes.names import NO_KINDS, NOT_ENGLISH, kind_name
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="Which kinds of token shift",
    text=(
        "Rate of shifted tokens and share of all shifted tokens for style, safety, content, number, punctuation and"
        " function words, and the odds of style against content."
    ),
    paper="claim 3",
    reads=[
        "results/stats/{dataset}/{pair}/{context}/kinds.csv",
        "results/stats/{dataset}/{pair}/{context}/summary.csv",
        "results/stats/kinds_agreement.csv",
    ],
)

TOO_FEW = "too few"
MEASURES = ("shifted", "share_of_shifted", "share_of_tokens", "odds_ratio")


def run(cfg: FigureStage, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw, by kind, the rate of shifted tokens and the share of the whole shift, for each pair of this run."""
    started = time.monotonic()
    set_style()
    table = pd.concat([_of_pair(cfg, results, index) for index in range(len(cfg.pairs))], ignore_index=True)
    agreement = read_table(results / "stats" / "kinds_agreement.csv")
    order = _order(table)
    height = 0.42 + 0.14 * (len(cfg.pairs) - 1)  # inches a kind
    rows, columns = shape(cfg, 2)
    size = (width(cfg), rows * (0.75 + height * len(order)) + 0.2)
    figure, axes = plt.subplots(rows, columns, figsize=size, sharey=True, layout="constrained")
    for index in range(len(cfg.pairs)):
        _draw_pair(axes, cfg, table, order, index)
    _finish(axes, table, order)
    _legend(figure, cfg)
    drawn = agreement[agreement["kind"] == "all"].assign(pair="classifier against labelled tokens")
    everything = pd.concat([table, drawn], ignore_index=True)
    save(figure, everything, out, cfg, started, VIEW, _told(cfg, table, agreement))


def _of_pair(cfg: FigureStage, results: Path, index: int) -> pd.DataFrame:
    """The rows of one pair; values of kinds that too few responses hold are blank, and all in another language."""
    pair = cfg.pairs[index]
    folder = results / "stats" / cfg.dataset / pair.name / cfg.context
    found = read_table(folder / "kinds.csv")
    english = kinds_hold(found)
    found = found[found["measure"].isin(MEASURES)].copy()
    found.loc[(found["examples"] < cfg.min_examples) | (not english), ["value", "low", "high"]] = np.nan
    summary = read_table(folder / "summary.csv").set_index("measure")["value"]
    found.insert(0, "pair", pair.name)
    if not english:
        found["language"] = NOT_ENGLISH
    return found.assign(responses=int(summary["examples"]))


def _order(table: pd.DataFrame) -> list[str]:
    """Kinds by the first pair's rate of shifted tokens, highest first; those without a rate last."""
    rates = table[table["measure"] == "shifted"]
    first = rates.drop_duplicates("kind").set_index("kind")["value"].fillna(-1)
    return sorted(first.index, key=lambda kind: (-first[kind], KINDS.index(str(kind))))


def _draw_pair(axes: "list[Axes]", cfg: FigureStage, table: pd.DataFrame, order: list[str], index: int) -> None:
    rows = table[table["pair"] == cfg.pairs[index].name]
    colour = _colour(cfg, index)
    offset = 0.62 * ((index + 0.5) / len(cfg.pairs) - 0.5)
    for axis, measure in zip(axes, ("shifted", "share_of_shifted"), strict=True):
        found = rows[rows["measure"] == measure].set_index("kind").reindex(order)
        place = np.arange(len(order)) + offset
        value, low, high = (found[name].to_numpy() for name in ("value", "low", "high"))
        if measure == "share_of_shifted":
            axis.barh(place, value, height=0.5 / len(cfg.pairs), color=colour, alpha=0.4, linewidth=0)
            tokens = rows[rows["measure"] == "share_of_tokens"].set_index("kind").reindex(order)["value"]
            axis.plot(tokens, place, "|", color="black", markersize=11 / len(cfg.pairs) ** 0.5, markeredgewidth=1.2)
        else:
            axis.plot(value, place, "o", color=colour, markersize=4)
        axis.hlines(place, low, high, color=colour, linewidth=1.3)
        for entry, line in zip(found.itertuples(), place, strict=True):
            blank = NOT_ENGLISH if "language" in rows and rows["language"].notna().all() else TOO_FEW
            text = blank if np.isnan(entry.value) else _percent(entry.value, entry.low, entry.high)
            axis.annotate(text, (1.02, line), xycoords=("axes fraction", "data"), va="center", fontsize=7, color=colour)


def _finish(axes: "list[Axes]", table: pd.DataFrame, order: list[str]) -> None:
    """Labels with the number of tokens, axes in percent."""
    rates = table[table["measure"] == "shifted"]
    counts = rates.pivot(index="kind", columns="pair", values="tokens")[list(table["pair"].unique())].fillna(0)
    labels = [f"{kind_name(kind)}\n{' / '.join(f'{n:,.0f}' for n in counts.loc[kind])} tokens" for kind in order]
    axes[0].set_yticks(range(len(order)), labels)
    axes[0].set_ylim(len(order) - 0.5, -0.5)
    for axis, label in zip(
        axes, ("of the kind's tokens, shifted (%)", "of all shifted tokens, this kind (%)"), strict=True
    ):
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="x", color="0.9", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")
        axis.set_xlabel(label)
        axis.set_xlim(left=0)
    axes[0].set_xlim(0, 1.02)
    axes[0].set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes[0].set_title("How often a kind shifts", loc="left")
    axes[1].set_title("What the shift consists of", loc="left")


def _percent(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _legend(figure: Figure, cfg: FigureStage) -> None:
    handles = [Line2D([], [], color="black", marker="|", linestyle="", markersize=9, label="share of all tokens")]
    if len(cfg.pairs) > 1:
        handles += [
            Line2D([], [], color=_colour(cfg, index), marker="o", markersize=4, label=pair.title)
            for index, pair in enumerate(cfg.pairs)
        ]
    figure.legend(handles=handles, frameon=False, loc="outside lower right", ncols=3)


def _colour(cfg: FigureStage, index: int) -> str:
    return cfg.shifted if len(cfg.pairs) == 1 else pair_colour(index)


def _told(cfg: FigureStage, table: pd.DataFrame, agreement: pd.DataFrame) -> list[str]:
    overall = agreement[agreement["kind"] == "all"].set_index("measure")
    lines = [data(cfg)]
    for pair in cfg.pairs:
        rows = table[table["pair"] == pair.name]
        ratios = rows[rows["measure"] == "odds_ratio"].set_index("kind")
        count = int(rows["responses"].iloc[0])
        if "language" in rows and rows["language"].notna().all():
            lines.append(f"{pair.title}: n = {count:,} responses. {NO_KINDS}")
            continue
        odds = f"style : content = {_odds(ratios, 'style')}, safety : content = {_odds(ratios, 'safety')}"
        lines.append(f"{pair.title}: n = {count:,} responses. Odds ratio of being shifted: {odds}.")
    lines.append(
        f"Brackets and whiskers: {interval(cfg)}s, bootstrap over responses. Kinds by English word lists; against "
        f"{int(overall.loc['kappa', 'tokens']):,} hand-labelled tokens: kappa = {overall.loc['kappa', 'value']:.2f}, "
        f"accuracy = {100 * overall.loc['accuracy', 'value']:.1f} %."
    )
    return lines


def _odds(ratios: pd.DataFrame, kind: str) -> str:
    if kind not in ratios.index or np.isnan(ratios.loc[kind, "value"]):
        return TOO_FEW
    row = ratios.loc[kind]
    return f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
