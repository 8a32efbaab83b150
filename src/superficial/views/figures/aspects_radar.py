"""Figure 1 of the paper: mean scores of every system on the six aspects; a panel for each pair."""

import time
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from superficial.artifacts.table import read_table
from superficial.config.schema import JudgedFigure, RuntimeConfig
from superficial.judging.scores.statistics import AVERAGE, SIX, WORDS
from superficial.views.figures.radar import draw_radar, grouped, handles
from superficial.views.figures.style import interval, save, set_style, shorten, width
from superficial.views.tables.scores import judge_note, measured
from superficial.views.view import View

VIEW = View(
    category="Judged answers",
    title="Scores by aspect",
    text="Mean score of each system in six aspects, 1 to 5.",
    paper="Figure 1",
    slice="judged_figure",
    files={"judged": "results/judged/{dataset}/{judged}.csv"},
    part_of=["models", "published"],
    needs="scores",
)

HEIGHT, SIDE = (2.75, 2.9), (1.75, 2.3)  # inches of a panel with a few systems, and of its radar, by columns
ENTRY = 0.3  # inches of a system in the legend
Systems = dict[tuple[str, str], pd.DataFrame]  # rows by system and judge


def run(cfg: JudgedFigure, runtime: RuntimeConfig, *, judged: Path, out: Path) -> None:
    """Draw one polygon for each system; the list beside it names n, unscored and the average."""
    started = time.monotonic()
    set_style()
    table = measured(read_table(judged), cfg)
    scored = table[(table["aspect"] != WORDS) & (table["judge"] != "")]
    systems = {
        (str(system), str(judge)): rows for (system, judge), rows in scored.groupby(["system", "judge"], sort=False)
    }
    panels = grouped(cfg, list(systems))
    beside = cfg.columns == 2  # the legend
    least, lines = HEIGHT[cfg.columns - 1], [ENTRY * len(keys) + (0.3 if title else 0.1) for title, keys in panels]
    heights = [max(least, line) if beside else least + line for line in lines]
    figure = plt.figure(figsize=(width(cfg), sum(heights)))
    top = sum(heights)
    for height, (title, keys) in zip(heights, panels, strict=True):
        _draw(figure, cfg, title, {key: systems[key] for key in keys}, (top - height, height))
        top -= height
    told = [
        f"Data: {cfg.data}. {judge_note(cfg)}",
        f"In brackets: instructions that were scored. Whiskers and square brackets: {interval(cfg)}s, bootstrap over "
        f"instructions; hollow: fewer than {cfg.min_examples} instructions. Unscored answers count nowhere.",
    ]
    save(figure, table, out, cfg, started, VIEW, told)


def _draw(
    figure: Figure,
    cfg: JudgedFigure,
    title: str,
    systems: dict[tuple[str, str], pd.DataFrame],
    place: tuple[float, float],
) -> None:
    """A radar and its legend; `place` is bottom and height, inches."""
    across, whole = figure.get_size_inches()
    bottom, height = place
    side, beside = SIDE[cfg.columns - 1], cfg.columns == 2
    centre = 1.86 if beside else across / 2  # inches from the left
    middle = bottom + height / 2 if beside else bottom + height - HEIGHT[0] / 2
    inches = (centre - side / 2, middle - side / 2, side, side)
    box = [inch / of for inch, of in zip(inches, (across, whole) * 2, strict=True)]
    axis = figure.add_axes((box[0], box[1], box[2], box[3]), projection="polar")
    rows = {key: found.set_index("aspect") for key, found in systems.items()}
    most = pd.concat(list(systems.values())).groupby("aspect")["n"].max() if systems else pd.Series(dtype=float)
    spokes = [aspect for aspect in SIX if aspect in most.index]
    labels = [f"{aspect}\n({most[aspect]:.0f})" for aspect in spokes]
    draw_radar(axis, spokes, labels, list(rows.values()), cfg.min_examples)  # type: ignore[arg-type]
    names = [_entry(system, judge, found, cfg) for (system, judge), found in rows.items()]
    figure.legend(
        handles(len(rows)), names, loc="center left" if beside else "lower left", frameon=False, fontsize=7,
        bbox_to_anchor=(3.7 / across, middle / whole) if beside else (0, bottom / whole),
        title=title, title_fontproperties={"size": 7.5, "weight": "bold"}, alignment="left",
    )  # fmt: skip


def _entry(system: str, judge: str, rows: pd.DataFrame, cfg: JudgedFigure) -> str:
    """Name of a system, its judge where judges differ, its average, and how many of its answers have no score."""
    who = f" (judge {judge})" if not cfg.systems else ""
    unscored = int(rows.loc[rows.index != AVERAGE, "unscored"].sum())
    if AVERAGE in rows.index:
        mean = rows.loc[AVERAGE]
        average = f"average {mean['mean']:.2f} [{mean['ci_low']:.2f}, {mean['ci_high']:.2f}]"
    else:
        average = "no average: not all six aspects"
    return f"{shorten(system + who, 48)}\n{average}; {unscored} unscored"
