"""Figure 3 of the paper: shares of unshifted, marginal and shifted positions, and the tokens that shift most."""

import time
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from superficial.category import CATEGORIES
from superficial.figures.style import WIDTH, colours, interval, save, set_style, shorten
from superficial.schema import FigureStage, RuntimeConfig
from superficial.table import read_table

TOKENS = 10  # frequent shifted tokens in a column


def run(cfg: FigureStage, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw a bar for each pair of this run, the published pairs below, and each pair's frequent shifted tokens."""
    started = time.monotonic()
    set_style()
    folders = [results / "stats" / cfg.dataset / pair.name / cfg.context for pair in cfg.pairs]
    shares = pd.concat(
        [_measured(cfg, index, folder) for index, folder in enumerate(folders)] + [_published(cfg)], ignore_index=True
    )
    names = list(dict.fromkeys(shares["title"]))
    bars = 0.5 * len(names) + 0.75  # inches
    lists = 0.155 * TOKENS + 0.5
    figure = plt.figure(figsize=(WIDTH, bars + lists), layout="constrained")
    # Two separate layouts: the list below is as wide as the page, not as the bars.
    parts: Any = figure.subfigures(2, 1, height_ratios=[bars, lists])
    top, bottom = (part.subplots() for part in parts)
    _draw_bars(top, cfg, shares, names)
    tokens = [read_table(folder / "tokens.csv").query("order == 'count'") for folder in folders]
    _draw_tokens(bottom, cfg, tokens)
    listed = [
        table[table["category"] == "shifted"].head(2 * TOKENS).assign(title=pair.title, source="measured")
        for table, pair in zip(tokens, cfg.pairs, strict=True)
    ]
    save(figure, pd.concat([shares, *listed], ignore_index=True), out, cfg, started)


def _measured(cfg: FigureStage, index: int, folder: Path) -> pd.DataFrame:
    table = read_table(folder / "ratios.csv")
    pooled = table[table["level"] == "pooled"].drop(columns="level")
    return pooled.assign(title=cfg.pairs[index].title, source="measured")


def _published(cfg: FigureStage) -> pd.DataFrame:
    entries = [
        {"title": row.title, "source": "published", "category": name, "share": getattr(row, name) / 100}
        for row in cfg.reference.token_shift
        for name in CATEGORIES
    ]
    return pd.DataFrame(entries).assign(examples=1000)


def _draw_bars(axis: Axes, cfg: FigureStage, shares: pd.DataFrame, names: list[str]) -> None:
    paint = colours(cfg)
    labels = []
    for row, name in enumerate(names):
        bar = shares[shares["title"] == name].set_index("category").loc[list(CATEGORIES)]
        published = (bar["source"] == "published").all()
        left = 0.0
        for kind, entry in bar.iterrows():
            axis.barh(
                row, entry["share"], left=left, height=0.56, color=paint[str(kind)], alpha=0.45 if published else 1.0,
                edgecolor="white", linewidth=0.8, label=str(kind) if row == 0 else None,
            )  # fmt: skip
            value = f"{100 * entry['share']:.1f} %"
            if not published:
                value += f"\n[{100 * entry['low']:.1f}, {100 * entry['high']:.1f}]"
            _write_share(axis, row, left, entry["share"], value, light=str(kind) == "shifted" and not published)
            left += entry["share"]
        count = int(bar["examples"].max())
        labels.append(f"{name}\nLin et al. 2024, n = {count:,}" if published else f"{name}\nthis run, n = {count:,}")
    axis.set_yticks(range(len(names)), labels)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlim(0, 1)
    axis.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.legend(ncols=3, frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    axis.set_xlabel(
        f"share of response tokens; data of this run: {cfg.dataset}, base context: {cfg.context}, greedy decoding;\n"
        f"in brackets: {interval(cfg)}, bootstrap over examples"
    )


def _write_share(axis: Axes, row: int, left: float, share: float, value: str, *, light: bool) -> None:
    """Print the share inside its part of the bar; in a narrow part, only what fits."""
    if share < 0.09:
        value = value.split("\n")[0].replace(" %", "")
    if share >= 0.03:
        colour = "white" if light else "black"
        axis.text(left + share / 2, row, value, ha="center", va="center", fontsize=6.8, color=colour)


def _draw_tokens(axis: Axes, cfg: FigureStage, tables: list[pd.DataFrame]) -> None:
    """One column a pair: the most frequent shifted tokens as bars of their counts."""
    axis.axis("off")
    axis.set_title("Most frequent shifted tokens: count (share of that token's occurrences that shift)", loc="left")
    for column, (pair, table) in enumerate(zip(cfg.pairs, tables, strict=True)):
        found = table[table["category"] == "shifted"].rename(columns={"count": "count_"})
        inset = axis.inset_axes((column / len(tables), 0, 0.97 / len(tables), 0.96))
        inset.axis("off")
        if found.empty:
            inset.text(0, 0.5, "no token is shifted", va="center")
            continue
        _token_bars(inset, found, cfg.shifted, columns=2 if len(tables) == 1 else 1)
        if len(tables) > 1:
            inset.set_title(pair.title, loc="left", fontsize=7)


def _token_bars(axis: Axes, found: pd.DataFrame, colour: str, columns: int) -> None:
    most = found["count_"].max()
    for index, entry in enumerate(found.head(columns * TOKENS).itertuples()):
        column, row = divmod(index, TOKENS)
        left = column / columns
        axis.barh(row, 0.22 / columns * entry.count_ / most, left=left + 0.2 / columns, height=0.62, color=colour)
        shown = shorten(str(entry.token).replace(" ", "␣"), 16)
        axis.text(left + 0.19 / columns, row, shown, ha="right", va="center", family="DejaVu Sans Mono", fontsize=7)
        count = f"{entry.count_} ({100 * entry.rate:.0f} %)"
        axis.text(left + (0.21 + 0.22 * entry.count_ / most) / columns, row, count, va="center", fontsize=6.8)
    axis.set_xlim(0, 1)
    axis.set_ylim(TOKENS - 0.4, -0.6)
