"""Finding 4 of the paper, measured: handed a few tokens of the aligned response, the base model goes on like it."""

import time
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from superficial.config.schema import FigureStage, RuntimeConfig
from superficial.shift.statistics.of_pairs import of_pairs
from superficial.views.figures.style import interval, name_curves, pair_colour, save, set_style, shape, width
from superficial.views.notes.caption import data
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="Handed the first tokens, the base goes on",
    text=(
        "The base model continues the aligned model's first k response tokens; how long it agrees, how alike the"
        " continuation is, and how much of the rest is unshifted."
    ),
    paper="finding 4",
    reads=["results/stats/{dataset}/{pair}/{context}/handoff.csv"],
)

PANELS = (
    ("agreeing", "agreeing run, tokens"),
    ("rouge_l", "ROUGE-L with the response (F1)"),
    ("unshifted_rest", "unshifted tokens of the rest, %"),
)


def run(cfg: FigureStage, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Draw the three measures over k, the number of tokens handed over; a k with too few examples is left out."""
    started = time.monotonic()
    set_style()
    table = of_pairs(cfg, results, "handoff")
    table = table[table["measure"].isin([measure for measure, _ in PANELS])]
    enough = table[table["examples"] >= cfg.min_examples]
    rows, columns = shape(cfg, 3)
    size = (width(cfg), 2.4 if rows == 1 else 5.4)
    figure, axes = plt.subplots(rows, columns, figsize=size, sharex=True, layout="constrained")
    prefixes = sorted(set(table["k"]))
    for axis, (measure, label) in zip(axes, PANELS, strict=True):
        found = enough[enough["measure"] == measure]
        for index in range(len(cfg.pairs)):
            _draw_pair(axis, cfg, found, prefixes, index, 100 if label.endswith("%") else 1)
        axis.set_title(label, loc="left")
        axis.set_xticks(range(len(prefixes)), [str(k) for k in prefixes])
        axis.set_xlim(-0.5, max(len(prefixes), 1) - 0.5)
        axis.grid(axis="y", linewidth=0.4, color="#DDDDDD")
    highest = max(1.0, axes[0].get_ylim()[1])
    for axis, top in zip(axes, (highest, 1, 100), strict=True):
        axis.set_ylim(-0.02 * top, 1.02 * top)  # points on the edges are whole
    axes[1 if rows == 1 else 2].set_xlabel("k: tokens of the response, handed over")
    empty = f"Too few examples to draw\na curve: fewer than {cfg.min_examples}\nregular responses at every k."
    name_curves(figure, axes[0], empty, ncols=cfg.columns)
    save(figure, enough, out, cfg, started, VIEW, _told(cfg, table))


def _draw_pair(axis: Axes, cfg: FigureStage, rows: pd.DataFrame, prefixes: list[int], index: int, scale: int) -> None:
    """A line through the means with whiskers, moved a little aside for each further pair."""
    found = rows[rows["pair"] == cfg.pairs[index].name]
    if found.empty:
        return
    at = [prefixes.index(k) + 0.14 * (index - (len(cfg.pairs) - 1) / 2) for k in found["k"]]
    mean, low, high = (scale * found[name].to_numpy(dtype=float) for name in ("mean", "low", "high"))
    error = [(mean - low).clip(0), (high - mean).clip(0)]  # of equal numbers a rounded one may lie on the wrong side
    axis.errorbar(
        at, mean, yerr=error, fmt="o-", markersize=3.5, linewidth=1.1, elinewidth=0.9,
        color=pair_colour(index), label=f"{cfg.pairs[index].title} ({_count(found)})",
    )  # fmt: skip


def _count(rows: pd.DataFrame) -> str:
    """How many examples there are: "n = 8", or "n = 8 to 5" where responses are shorter than k."""
    most, fewest = rows["examples"].max(), rows["examples"].min()
    return f"n = {most}" if most == fewest else f"n = {most} to {fewest}"


def _told(cfg: FigureStage, table: pd.DataFrame) -> list[str]:
    window = f"the next {table['window'].max()} tokens" if len(table) else "the next tokens"
    used = f"the first {table['examples'].max()} regular instructions" if len(table) else "no regular instruction"
    return [
        f"{'; '.join(pair.title for pair in cfg.pairs)}.",
        f"The base goes on greedily; {window} are compared. Unshifted tokens of the rest: teacher-forced, all "
        "positions from k on.",
        data(cfg),
        f"Used: {used}; at k those whose response is longer than k. Means with {interval(cfg)}s, bootstrap over "
        f"responses; left out: a k with fewer than {cfg.min_examples}.",
    ]
