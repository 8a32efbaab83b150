"""Pairs that share no tokenizer: how much likelier the aligned model finds its text than the base does, by bytes."""

import time
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from superficial.config.schema import FigureStage, RuntimeConfig
from superficial.shift.category import CATEGORIES
from superficial.shift.statistics.of_pairs import of_pairs
from superficial.views.figures.style import LINES, colours, interval, percent, save, set_style, shape, width
from superficial.views.notes.caption import data
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="Two tokenizers: the shift by spans of bytes",
    text=(
        "Log-probability of the same text under both models, which split it differently, and ranks where a span is"
        " one and the same token to both and both have every candidate above it."
    ),
    reads=["results/stats/{dataset}/{pair}/{context}/spans.csv"],
    part_of=[],  # for pairs of which figures/all can say nothing
)

SIDES = {"base_bits": ("base", LINES[0], "o"), "aligned_bits": ("aligned", LINES[1], "D")}
RATIOS = (1, 1, 1.25)  # of the widths of panels
OTHERS = {"same token, rank not exact": "#BDBDBD", "not one and the same token": "#E6E6E6"}
UNITS = ("spans", "bytes", "base tokens", "aligned tokens")
ROOM = 0.06  # share of a bar in which a number can be read


def run(cfg: FigureStage, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw bits per byte, their difference by position, and what ranks of spans say, a row of panels each pair."""
    started = time.monotonic()
    set_style()
    table = of_pairs(cfg, results, "spans")
    enough = table[table["examples"] >= cfg.min_examples]
    rows, (down, across) = len(cfg.pairs), shape(cfg, 3)
    figure, grid = plt.subplots(
        rows * down, across, figsize=(width(cfg), 0.3 + 2.3 * rows * down), squeeze=False, layout="constrained",
        width_ratios=RATIOS[:across],
    )  # fmt: skip
    grid = grid.reshape(rows, 3)
    for axes, pair in zip(grid, cfg.pairs, strict=True):
        mine = enough[enough["pair"] == pair.name]
        if not ((mine["measure"] == "valid") & (mine["of"] == "spans")).any():
            mine = mine[:0]
            few = f"Too few examples\nto draw: spans of fewer\nthan {cfg.min_examples} responses."
            axes[0].text(0.5, 0.5, few, transform=axes[0].transAxes, ha="center", va="center")
        _bits(axes[0], mine)
        _difference(axes[1], mine)
        _ranks(axes[2], mine, cfg)
        if rows > 1:
            axes[0].set_ylabel(f"{pair.title}\nbits per byte")
    for axis in grid[-1][:2]:
        axis.set_xlabel("byte at which the span starts")
    handles, labels = grid[0][2].get_legend_handles_labels()
    if handles:
        figure.legend(
            handles,
            labels,
            frameon=False,
            loc="outside lower center",
            ncols=5 if cfg.columns == 2 else 2,
            columnspacing=1.2,
        )
    save(figure, enough, out, cfg, started, VIEW, _told(cfg, table))


def _by_position(axis: Axes, rows: pd.DataFrame) -> pd.DataFrame:
    """The bins of `rows`, whose starts it writes below the axis."""
    found = rows[(rows["of"] == "bytes") & (rows["first"] >= 0)].sort_values("first")
    firsts = sorted(found["first"].unique())
    axis.set_xticks(range(len(firsts)), [f"{first}" for first in firsts], rotation=60, ha="right")
    axis.grid(axis="y", linewidth=0.4, color="#DDDDDD")
    return found.assign(at=found["first"].map({first: at for at, first in enumerate(firsts)}))


def _bits(axis: Axes, rows: pd.DataFrame) -> None:
    found = _by_position(axis, rows[rows["measure"].isin(SIDES)])
    for side, (measure, (label, colour, marker)) in enumerate(SIDES.items()):
        mine = found[found["measure"] == measure]
        if not mine.empty:
            text = f"{label}: {_whole(rows, measure)['value']:.2f} in all"
            _points(axis, mine, 0.14 * (side - 0.5), color=colour, fmt=f"{marker}-", label=text)
    if not found.empty:
        axis.legend(frameon=False, loc="best")
    axis.set_ylim(bottom=0)
    axis.set_title("bits per byte", loc="left")


def _difference(axis: Axes, rows: pd.DataFrame) -> None:
    found = _by_position(axis, rows[rows["measure"] == "difference"])
    axis.axhline(0, color="#888888", linewidth=0.7)
    if not found.empty:
        _points(axis, found, 0, color="#000000", fmt="o-")
        text = f"in all {_number(_whole(rows, 'difference'))}"
        axis.text(0.98, 0.97, text, transform=axis.transAxes, ha="right", va="top", fontsize=7)
    axis.set_title("aligned − base, nats/byte", loc="left")


def _points(axis: Axes, rows: pd.DataFrame, aside: float, **look: Any) -> None:
    mean, low, high = (rows[name].to_numpy(dtype=float) for name in ("value", "low", "high"))
    axis.errorbar(
        rows["at"] + aside, mean, yerr=[(mean - low).clip(0), (high - mean).clip(0)], markersize=3.5, linewidth=1.1,
        elinewidth=0.8, **look,
    )  # fmt: skip


def _whole(rows: pd.DataFrame, measure: str, of: str = "bytes") -> pd.Series:
    return rows[(rows["measure"] == measure) & (rows["of"] == of) & (rows["first"] < 0)].iloc[0]


def _ranks(axis: Axes, rows: pd.DataFrame, cfg: FigureStage) -> None:
    """Two bars: what is known of all spans, and the shares of those whose rank is exact; below them the validity."""
    axis.set_axis_off()
    axis.set_title("what ranks say of the spans", loc="left")
    if rows.empty:
        return
    valid, same = _whole(rows, "valid", "spans"), _whole(rows, "one_token", "spans")
    known = {name: float(_whole(rows, name, "spans")["value"]) for name in CATEGORIES}
    rest = dict(zip(OTHERS, (same["value"] - valid["value"], 1 - same["value"]), strict=True))
    looks = colours(cfg) | OTHERS
    bars = [(f"all {valid['count']:,} spans", known | rest)]
    lines = ["Share with exact ranks:"]
    lines += [f"  {percent(*_values(rows, 'valid', of))} of {of}" for of in UNITS if _has(rows, of)]
    if _has(rows, "valid spans"):
        exact = {name: _values(rows, name, "valid spans")[0] for name in CATEGORIES}
        bars.append((f"the {_whole(rows, 'unshifted', 'valid spans')['count']:,} with exact ranks", exact))
        lines.append("Of these:")
        lines += [f"  {percent(*_values(rows, name, 'valid spans'))} {name}" for name in CATEGORIES]
    if _has(rows, "ends of turn"):
        one = _whole(rows, "difference", "ends of turn")
        lines += [f"At the {one['count']:,} ends of turn (no bytes), nats:", f"  aligned − base {_number(one)}"]
    for at, (label, parts) in enumerate(bars):
        left, y = 0.0, 1 - 0.24 * at
        axis.text(0, y + 0.075, label, va="bottom", fontsize=7.5)
        for name, share in parts.items():
            axis.barh(y, share, left=left, height=0.13, color=looks[name], label="" if at else name)
            if share > ROOM:
                ink = "white" if name == "shifted" else "black"
                axis.text(left + share / 2, y, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=ink)
            left += share
    axis.text(0, 1 - 0.24 * len(bars) + 0.1, "\n".join(lines), va="top", fontsize=7, linespacing=1.25)
    axis.set_xlim(0, 1)
    axis.set_ylim(-0.3, 1.2)


def _has(rows: pd.DataFrame, of: str) -> bool:
    return bool((rows["of"] == of).any())


def _number(one: pd.Series) -> str:
    return f"{one['value']:.2f} [{one['low']:.2f}, {one['high']:.2f}]"


def _values(rows: pd.DataFrame, measure: str, of: str) -> tuple[float, float, float]:
    one = _whole(rows, measure, of)
    return float(one["value"]), float(one["low"]), float(one["high"])


def _told(cfg: FigureStage, table: pd.DataFrame) -> list[str]:
    whole = table[table["measure"] == "compared"]
    n = " and ".join(map(str, whole["examples"]))
    left = " and ".join(f"{100 * (1 - value):.1f}" for value in whole["value"])
    return [
        "A span ends where a token ends under both tokenizers.",
        f"{'; '.join(pair.title for pair in cfg.pairs)}: n = {n} responses.",
        data(cfg),
        f"Left out: bins that fewer than {cfg.min_examples} responses reach. Log-probabilities are those of one "
        f"tokenization each, so lower bounds. Not compared: {left} % of aligned tokens.",
        "A rank is exact where a span is one and the same token to both, and both have every candidate above it: "
        "rarely for deep ranks, so that shares of the exact ones lean to unshifted.",
        f"{interval(cfg).capitalize()}s: bootstrap over responses.",
    ]
