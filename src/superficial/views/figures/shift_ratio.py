"""Figure 3 of the paper: shares of unshifted, marginal and shifted positions, and the tokens that shift most."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from superficial.config.schema import RatioFigure, RuntimeConfig
from superficial.shift.category import CATEGORIES
from superficial.shift.statistics.of_pairs import of_pairs
from superficial.views.figures.style import colours, interval, save, set_style, shape, shorten, width, wrap
from superficial.views.notes.caption import data
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="How much shifts, and which tokens",
    text=(
        "Shares of unshifted (base rank 1), marginal (rank 2 or 3) and shifted (below) response tokens, pooled over"
        " all positions, and the tokens that are shifted most often."
    ),
    paper="Figure 3",
    slice="ratio_figure",
    reads=[
        "results/stats/{dataset}/{pair}/{context}/ratios.csv",
        "results/stats/{dataset}/{pair}/{context}/tokens.csv",
    ],
)

TOKENS = 10  # shifted tokens in a list
WIDE = 0.12  # a part of a bar that holds its interval
LEFT, BAR = 0.3, 0.25  # of a list's width: where bars begin, and the longest


def run(cfg: RatioFigure, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw a bar for each pair of this run, published pairs below it or them, and each pair's frequent shifted tokens.

    A published pair that a pair of this run repeats stands right below that; the others come last.
    """
    started = time.monotonic()
    set_style()
    ratios = of_pairs(cfg, results, "ratios")
    shares = pd.concat([_measured(cfg, ratios), _published(cfg)], ignore_index=True)
    names = _order(cfg, shares)
    tokens = of_pairs(cfg, results, "tokens").query("category == 'shifted'")
    tokens = tokens.groupby(["pair", "order"], sort=False).head(TOKENS)
    lists = shape(cfg, 2)
    heights = [
        (0.5 if cfg.columns == 2 else 0.62) * len(names) + 0.75,
        *[lists[0] * (0.165 * TOKENS + 0.3) + 0.2] * len(cfg.pairs),
    ]  # inches
    figure = plt.figure(figsize=(width(cfg), sum(heights)), layout="constrained")
    # Separate layouts: the lists below are as wide as the page, not as the bars.
    parts: Any = figure.subfigures(len(heights), 1, height_ratios=heights)
    _draw_bars(parts[0].subplots(), cfg, shares, names)
    for part, pair in zip(parts[1:], cfg.pairs, strict=True):
        found = tokens[tokens["pair"] == pair.name]
        axes = part.subplots(*lists)
        _draw_list(axes[0], cfg, found[found["order"] == "count"], "count")
        _draw_list(axes[1], cfg, found[found["order"] == "rate"], "rate")
        title = "\n".join(wrap(f"Shifted tokens of {pair.title}", int(14 * width(cfg))))
        part.suptitle(title, x=0.01, ha="left", fontsize=8.5)
    listed = tokens.assign(title=tokens["pair"].map({pair.name: pair.title for pair in cfg.pairs}), source="measured")
    drawn = pd.concat([shares, listed.drop(columns="pair")], ignore_index=True)
    save(figure, drawn, out, cfg, started, VIEW, [*_told(cfg, shares), *loops(cfg, ratios)])


def _order(cfg: RatioFigure, shares: pd.DataFrame) -> list[str]:
    repeated = [title for pair in cfg.pairs for title in (pair.title, cfg.repeats.get(pair.name)) if title]
    return list(dict.fromkeys([*repeated, *shares["title"]]))


def _measured(cfg: RatioFigure, table: pd.DataFrame) -> pd.DataFrame:
    pooled = table[table["level"] == "pooled"]
    titles = pooled["pair"].map({pair.name: pair.title for pair in cfg.pairs})
    return pooled.drop(columns=["level", "pair"]).assign(title=titles, source="measured")


def _published(cfg: RatioFigure) -> pd.DataFrame:
    entries = [
        {"title": row.title, "source": "published", "category": name, "share": getattr(row, name) / 100}
        for row in cfg.published
        for name in CATEGORIES
    ]
    return pd.DataFrame(entries).assign(examples=1000)


def _draw_bars(axis: Axes, cfg: RatioFigure, shares: pd.DataFrame, names: list[str]) -> None:
    paint, above = colours(cfg), cfg.columns == 1  # in one column the names stand above their bars
    wide = 1.7 * WIDE if above else WIDE
    labels = []
    for row, name in enumerate(names):
        bar = shares[shares["title"] == name].set_index("category").loc[list(CATEGORIES)]
        published = (bar["source"] == "published").all()
        left = 0.0
        narrow = []
        for kind, entry in bar.iterrows():
            axis.barh(
                row, entry["share"], left=left, height=0.56, color=paint[str(kind)], alpha=0.45 if published else 1.0,
                edgecolor="white", linewidth=0.8, label=str(kind) if row == 0 else None,
            )  # fmt: skip
            value, ends = f"{100 * entry['share']:.1f}", f"[{100 * entry['low']:.1f}, {100 * entry['high']:.1f}]"
            if entry["share"] >= wide:
                value += " %" if published else f" %\n{ends}"
            elif not published:
                narrow.append(f"{kind} {value} % {ends}")
            if entry["share"] >= (0.06 if above else 0.03):
                colour = "white" if str(kind) == "shifted" and not published else "black"
                at = left + entry["share"] / 2
                axis.text(at, row, value, ha="center", va="center", fontsize=6.8, color=colour)
            left += entry["share"]
        axis.text(1, row + 0.3, ", ".join(narrow), ha="right", va="top", fontsize=6.8)
        count = int(bar["examples"].max())
        labels.append((name, f"Lin et al. 2024, n = {count:,}" if published else f"this run, n = {count:,}"))
        if above:
            axis.text(0, row - 0.31, shorten(", ".join(labels[-1]), 64), va="bottom", fontsize=6.8)
    axis.set_yticks(range(len(names)), ["" if above else "\n".join(label) for label in labels])
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlim(0, 1)
    axis.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.legend(ncols=3, frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    axis.set_xlabel("share of response tokens")


def _told(cfg: RatioFigure, shares: pd.DataFrame) -> list[str]:
    counts = shares[shares["source"] == "measured"].groupby("title", sort=False)["examples"].max()
    return [
        *(f"{title}: n = {count:,} responses of this run." for title, count in counts.items()),
        "Pale bars: the shares that Lin et al. (2024) print, of 1,000 responses each." if cfg.published else "",
        data(cfg),
        f"Responses are greedy. Brackets and whiskers: {interval(cfg)}s, bootstrap over responses.",
        "Rate: share of a token's occurrences that shift, among tokens that occur often enough for one.",
        "An open box is a space.",
    ]


def loops(cfg: RatioFigure, ratios: pd.DataFrame) -> Iterator[str]:
    """What the shares are without responses that loop, of pairs where some do."""
    for pair in cfg.pairs:
        levels = ratios[ratios["pair"] == pair.name].set_index(["level", "category"])
        examples, kept = (int(levels.loc[level, "examples"].max()) for level in ("pooled", "without_loops"))
        if kept == examples:
            continue
        text = f"{pair.title}: {examples - kept:,} of {examples:,} responses loop. What is repeated is easy to predict."
        if kept:
            rest = levels.loc["without_loops"].loc[list(CATEGORIES)].iterrows()
            shares = (
                f"{100 * row['share']:.1f} % [{100 * row['low']:.1f}, {100 * row['high']:.1f}] are {name}"
                for name, row in rest
            )
            text += f" Without these, {', '.join(shares)}."
        yield text


def _draw_list(axis: Axes, cfg: RatioFigure, found: pd.DataFrame, order: str) -> None:
    """Tokens as bars of their count or rate, with whiskers, and both in numbers."""
    axis.set_title({"count": "by count (rate)", "rate": "by rate (count of occurrences)"}[order], loc="left")
    axis.axis("off")
    axis.set_xlim(0, 1)
    axis.set_ylim(TOKENS - 0.4, -0.6)
    if found.empty:
        axis.text(0, 0, "no token is shifted" if order == "count" else "no token occurs often enough", va="center")
        return
    scale = BAR / found[f"{order}_high"].max()
    for row, (_, entry) in enumerate(found.iterrows()):
        value, low, high = (entry[name] for name in (order, f"{order}_low", f"{order}_high"))
        axis.barh(row, scale * value, left=LEFT, height=0.62, color=cfg.shifted, alpha=0.55)
        axis.hlines(row, LEFT + scale * low, LEFT + scale * high, color="black", linewidth=0.8)
        shown = shorten(str(entry["token"]).replace(" ", "␣"), 16)
        axis.text(LEFT - 0.015, row, shown, ha="right", va="center", family="DejaVu Sans Mono", fontsize=7)
        rate = f"{100 * entry['rate']:.0f} % [{100 * entry['rate_low']:.0f}, {100 * entry['rate_high']:.0f}]"
        count = f"{entry['count']:,.0f} [{entry['count_low']:,.0f}, {entry['count_high']:,.0f}]"
        text = f"{count} ({rate})" if order == "count" else f"{rate} of {entry['occurrences']:,.0f}"
        axis.text(LEFT + BAR + 0.02, row, text, va="center", fontsize=6.8)
