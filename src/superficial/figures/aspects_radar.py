"""Figure 1 of the paper: mean scores of every system on the six aspects."""

import textwrap
import time
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt

from superficial.figures.radar import draw_radar, handles
from superficial.figures.style import WIDTH, interval, save, set_style, shorten
from superficial.schema import JudgedFigure, RuntimeConfig
from superficial.scores.statistics import AVERAGE, SIX, WORDS
from superficial.scores.table import judge_note, measured
from superficial.table import read_table


def run(cfg: JudgedFigure, runtime: RuntimeConfig, *, judged: Path, out: Path) -> None:
    """Draw one polygon a system; the list beside it names n, unscored and the average."""
    started = time.monotonic()
    set_style()
    table = measured(read_table(judged), cfg)
    scored = table[(table["aspect"] != WORDS) & (table["judge"] != "")]
    systems = {key: rows.set_index("aspect") for key, rows in scored.groupby(["system", "judge"], sort=False)}
    figure = plt.figure(figsize=(WIDTH, max(3.3, 0.42 * len(systems) + 1.3)))
    axis = figure.add_axes((0.06, 0.07, 0.4, 0.74), projection="polar")
    most = scored.groupby("aspect")["n"].max()
    spokes = [aspect for aspect in SIX if aspect in most.index]
    labels = [f"{aspect}\n({most[aspect]:.0f})" for aspect in spokes]
    draw_radar(axis, spokes, labels, list(systems.values()), cfg.min_examples)  # type: ignore[arg-type]
    names = [_entry(system, judge, rows, cfg) for (system, judge), rows in systems.items()]
    figure.legend(
        handles(len(systems)), names, loc="center left", bbox_to_anchor=(0.53, 0.5), frameon=False, fontsize=7
    )
    note = (
        f"Data: {cfg.dataset}. {judge_note(cfg)} Scores 1..5; whiskers: {interval(cfg)}, bootstrap over instructions; "
        f"hollow: fewer than {cfg.min_examples} instructions. Unscored answers count nowhere."
    )
    figure.text(0.01, -0.03, "\n".join(textwrap.wrap(note, 135)), fontsize=6.8, va="top")
    figure.suptitle("Mean score by aspect (instructions scored)", x=0.01, y=1.0, ha="left", fontsize=8.5)
    save(figure, table, out, cfg, started)


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
