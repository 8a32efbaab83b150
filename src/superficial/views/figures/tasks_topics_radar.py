"""Figure 7 of the paper: mean scores of every system by task and by topic; every tag of an instruction counts."""

import time
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from superficial.artifacts.table import read_table
from superficial.config.schema import JudgedFigure, RuntimeConfig
from superficial.data.instruction import TASKS, TOPICS
from superficial.judging.judges.aspects import ASPECTS
from superficial.judging.scores.statistics import AVERAGE
from superficial.views.figures.radar import draw_radar, grouped, handles
from superficial.views.figures.style import interval, save, set_style, shorten, width
from superficial.views.notes.names import group_name
from superficial.views.tables.scores import judge_note, title
from superficial.views.view import View

VIEW = View(
    category="Judged answers",
    title="Scores by task and topic",
    text="Mean of five aspects over the instructions of each tag.",
    paper="Figure 7",
    slice="judged_figure",
    files={"judged": "results/judged/{dataset}/{judged}.csv"},
    part_of=["models", "published"],
    needs="scores",
)

PANELS = {"task": TASKS, "topic": TOPICS}
HEIGHT, LINE = 3.2, 0.165  # inches: a row of radars, and a line of the legend
SIDE = 1.95  # inches of a radar


def run(cfg: JudgedFigure, runtime: RuntimeConfig, *, judged: Path, out: Path) -> None:
    """Draw the mean of the five aspects of regular instructions; the CSV holds each aspect."""
    started = time.monotonic()
    set_style()
    everything = read_table(judged)
    table = everything[everything["grouping"].isin(PANELS)].reset_index(drop=True)
    table["system"] = [title(str(system), cfg) for system in table["system"]]
    drawn = table[table["aspect"] == AVERAGE]
    keys = list(dict.fromkeys(zip(drawn["system"], drawn["judge"], strict=True)))
    panels = grouped(cfg, keys)
    rows = len(PANELS) // cfg.columns
    heights = [rows * HEIGHT + LINE * -(-len(some) // cfg.columns) for _, some in panels]
    figure = plt.figure(figsize=(width(cfg), sum(heights)))
    top = sum(heights)
    for height, (heading, some) in zip(heights, panels, strict=True):
        _draw(figure, cfg, heading, drawn, some, top)
        top -= height
    five = (everything["grouping"] == "all") & everything["aspect"].isin(ASPECTS["regular"])
    told = [
        f"Data: {cfg.data}. {judge_note(cfg)}",
        "Regular instructions alone, scores from 1 to 5; an instruction counts for each of its tags; in brackets: how "
        f"many. Whiskers: {interval(cfg)}s, bootstrap over instructions; hollow: fewer than {cfg.min_examples}. "
        f"Unscored: {everything.loc[five, 'unscored'].sum():.0f} of "
        f"{everything.loc[five, ['n', 'unscored']].sum().sum():.0f} scores.",
    ]
    save(figure, table, out, cfg, started, VIEW, told)


def _draw(
    figure: Figure, cfg: JudgedFigure, heading: str, drawn: pd.DataFrame, keys: list[tuple[str, str]], top: float
) -> None:
    """Two radars and one legend below them, from `top` inches downwards."""
    across, whole = figure.get_size_inches()
    beside = cfg.columns == 2
    drawn = drawn.set_index(["system", "judge"]).loc[keys].reset_index()
    for at, (grouping, order) in enumerate(PANELS.items()):
        rows = drawn[drawn["grouping"] == grouping]
        spokes = [group for group in order if (rows["group"] == group).any()]
        left, below = (0.7 + 3.4 * at, top) if beside else (0.62, top - HEIGHT * at)  # inches
        place = (left / across, (below - 2.7) / whole, SIDE / across, SIDE / whole)
        axis = figure.add_axes(place, projection="polar")
        most = rows.groupby("group")["n"].max()
        labels = [f"{group_name(group)}\n({most[group]:.0f})" for group in spokes]
        systems = [_of(rows, system, judge) for system, judge in keys]
        draw_radar(axis, spokes, labels, systems, cfg.min_examples)  # type: ignore[arg-type]
        title = f"by {grouping}"
        axis.set_title(f"{heading}, {title}" if heading and not at else title, loc="left", x=-0.3, y=1.16)
        if not spokes:
            axis.set_yticklabels([])
            said = f"no instruction with a {grouping}\nhas scores in all five aspects"
            axis.text(0.5, 0.5, said, transform=axis.transAxes, ha="center", va="center")
    names = [shorten(system if cfg.systems else f"{system} (judge {judge})", 50) for system, judge in keys]
    bottom = top - HEIGHT * (1 if beside else 2) + 0.14
    figure.legend(
        handles(len(keys)), names, loc="upper left", bbox_to_anchor=(0.0, bottom / whole), ncols=cfg.columns,
        frameon=False, fontsize=7,
    )  # fmt: skip


def _of(rows: pd.DataFrame, system: str, judge: str) -> pd.DataFrame:
    return rows[(rows["system"] == system) & (rows["judge"] == judge)].set_index("group")
