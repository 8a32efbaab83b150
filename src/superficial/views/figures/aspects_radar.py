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
from superficial.views.figures.style import WIDTH, interval, save, set_style, shorten, wrap
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

HEIGHT = 3.3  # inches of a panel with a few systems
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
    heights = [max(HEIGHT, 0.3 * len(keys) + 1.0) for _, keys in panels]
    figure = plt.figure(figsize=(WIDTH, sum(heights)))
    top = sum(heights)
    for height, (title, keys) in zip(heights, panels, strict=True):
        _draw(figure, cfg, title, {key: systems[key] for key in keys}, (top - height, height))
        top -= height
    note = (
        f"Data: {cfg.dataset}. {judge_note(cfg)} Scores 1..5; whiskers: {interval(cfg)}, bootstrap over instructions; "
        f"hollow: fewer than {cfg.min_examples} instructions. Unscored answers count nowhere."
    )
    figure.text(0.01, -0.1 / sum(heights), "\n".join(wrap(note, 135)), fontsize=6.8, va="top")
    figure.suptitle("Mean score by aspect (instructions scored)", x=0.01, y=1.0, ha="left", va="top", fontsize=8.5)
    save(figure, table, out, cfg, started)


def _draw(
    figure: Figure,
    cfg: JudgedFigure,
    title: str,
    systems: dict[tuple[str, str], pd.DataFrame],
    place: tuple[float, float],
) -> None:
    """A radar and its legend; `place` is bottom and height, inches."""
    whole = figure.get_figheight()
    bottom, height = place
    side = 2.44  # inches
    middle = bottom + 0.45 * height
    axis = figure.add_axes((0.06, (middle - side / 2) / whole, 0.4, side / whole), projection="polar")
    rows = {key: found.set_index("aspect") for key, found in systems.items()}
    most = pd.concat(list(systems.values())).groupby("aspect")["n"].max() if systems else pd.Series(dtype=float)
    spokes = [aspect for aspect in SIX if aspect in most.index]
    labels = [f"{aspect}\n({most[aspect]:.0f})" for aspect in spokes]
    draw_radar(axis, spokes, labels, list(rows.values()), cfg.min_examples)  # type: ignore[arg-type]
    names = [_entry(system, judge, found, cfg) for (system, judge), found in rows.items()]
    figure.legend(
        handles(len(rows)), names, loc="center left", bbox_to_anchor=(0.53, middle / whole), frameon=False, fontsize=7,
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
    return f"{shorten(system + who, 56)}\n{average}; {unscored} unscored"
