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
from superficial.views.figures.style import WIDTH, interval, save, set_style, shorten, wrap
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
HEIGHT, LINE = 3.5, 0.165  # inches: the radars of a panel, and a line of its legend


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
    heights = [HEIGHT + LINE * -(-len(some) // 2) for _, some in panels]
    figure = plt.figure(figsize=(WIDTH, sum(heights)))
    top = sum(heights)
    for height, (heading, some) in zip(heights, panels, strict=True):
        _draw(figure, cfg, heading, drawn, some, top)
        top -= height
    five = (everything["grouping"] == "all") & everything["aspect"].isin(ASPECTS["regular"])
    note = (
        f"Data: {cfg.dataset}. {judge_note(cfg)} Mean of the five aspects of regular instructions, 1..5; an "
        f"instruction counts for each of its tags; whiskers: {interval(cfg)}, bootstrap over instructions; hollow: "
        f"fewer than {cfg.min_examples} instructions. Unscored: {everything.loc[five, 'unscored'].sum():.0f} of "
        f"{everything.loc[five, ['n', 'unscored']].sum().sum():.0f} scores."
    )
    figure.text(0.01, -0.05 / sum(heights), "\n".join(wrap(note, 135)), fontsize=6.8, va="top")
    save(figure, table, out, cfg, started)


def _draw(
    figure: Figure, cfg: JudgedFigure, heading: str, drawn: pd.DataFrame, keys: list[tuple[str, str]], top: float
) -> None:
    """Two radars side by side and one legend below them, from `top` inches downwards."""
    whole = figure.get_figheight()
    drawn = drawn.set_index(["system", "judge"]).loc[keys].reset_index()
    for at, (grouping, order) in enumerate(PANELS.items()):
        rows = drawn[drawn["grouping"] == grouping]
        spokes = [group for group in order if (rows["group"] == group).any()]
        place = (0.08 + 0.52 * at, (top - 3.08) / whole, 0.33, 2.38 / whole)
        axis = figure.add_axes(place, projection="polar")
        most = rows.groupby("group")["n"].max()
        labels = [f"{group}\n({most[group]:.0f})" for group in spokes]
        systems = [_of(rows, system, judge) for system, judge in keys]
        draw_radar(axis, spokes, labels, systems, cfg.min_examples)  # type: ignore[arg-type]
        title = f"by {grouping} (instructions)"
        axis.set_title(f"{heading}, {title}" if heading and not at else title, loc="left", x=-0.25, y=1.13)
        if not spokes:
            axis.text(
                0.5, 0.5, "nothing scored\non all five aspects", transform=axis.transAxes, ha="center", va="center"
            )
    names = [shorten(system if cfg.systems else f"{system} (judge {judge})", 60) for system, judge in keys]
    figure.legend(
        handles(len(keys)), names, loc="upper left", bbox_to_anchor=(0.0, (top - HEIGHT + 0.14) / whole), ncols=2,
        frameon=False, fontsize=7,
    )  # fmt: skip


def _of(rows: pd.DataFrame, system: str, judge: str) -> pd.DataFrame:
    return rows[(rows["system"] == system) & (rows["judge"] == judge)].set_index("group")
