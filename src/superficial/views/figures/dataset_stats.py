"""Figure 6 of the paper: where the instructions come from, and what they are about."""

import time
from collections import Counter
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from superficial.artifacts.table import read_table
from superficial.config.schema import DatasetFigure, RuntimeConfig
from superficial.data.instruction import TASKS, TOPICS
from superficial.views.figures.style import LINES, save, set_style, shape, shorten, width
from superficial.views.notes.names import group_name
from superficial.views.view import View

VIEW = View(
    category="Instructions",
    title="Instructions by subset, task and topic",
    text="Shares; an instruction may have several tags.",
    paper="Figure 6",
    slice="dataset_figure",
    files={"data": "results/data/{dataset}.parquet"},
    part_of=["models", "published"],
)

PANELS = {"subset": "subset", "tasks": "task", "topics": "topic"}  # column of the data, grouping of the table
SAFETY = "#999999"


def run(cfg: DatasetFigure, runtime: RuntimeConfig, *, data: Path, out: Path) -> None:
    """Draw the shares as bars with their counts, and the paper's where it prints them for this dataset."""
    started = time.monotonic()
    set_style()
    instructions = read_table(data)
    table = shares(instructions)
    printed: dict[tuple[str, str], float] = {
        (share.grouping, share.group): share.percent for share in cfg.shares if cfg.dataset == "just_eval"
    }
    keys = zip(table["grouping"], table["group"], strict=True)
    table["published_percent"] = [printed.get((str(grouping), str(group))) for grouping, group in keys]
    tallest = int(table["grouping"].value_counts().max())
    rows, columns = shape(cfg, 3)
    counts = [int((table["grouping"] == grouping).sum()) for grouping in PANELS.values()]
    heights = [0.22 * (tallest if rows == 1 else count) + 0.75 for count in counts[:rows]]  # inches
    size = (width(cfg), sum(heights))
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", height_ratios=heights)
    for axis, grouping, count in zip(axes, PANELS.values(), counts, strict=True):
        shown = tallest if rows == 1 else count
        _draw(axis, table[table["grouping"] == grouping], grouping, _regular_subsets(instructions), shown)
    regular = int((instructions["category"] == "regular").sum())
    told = [
        f"Data: {cfg.data}, {len(instructions):,} instructions, {regular:,} regular, {len(instructions) - regular:,} "
        "for safety. In brackets: counts. The whole dataset is counted, so there are no intervals.",
        "Grey: subsets that are there for safety alone.",
        "Black marks: what Lin et al. (2024) print." if printed else "",
    ]
    save(figure, table, out, cfg, started, VIEW, told)


def shares(data: pd.DataFrame) -> pd.DataFrame:
    """One row for each grouping and group: count and percent; of instructions by subset, else of tag assignments.

    An instruction with two tasks is two assignments (paper, Figure 6); groups without members have count 0.
    """
    rows = []
    for column, grouping in PANELS.items():
        values = [[value] if isinstance(value, str) else list(value) for value in data[column]]
        counts = Counter({"tasks": dict.fromkeys(TASKS, 0), "topics": dict.fromkeys(TOPICS, 0)}.get(column, {}))
        counts.update(tag for tags in values for tag in tags)
        total = sum(counts.values())
        for group, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
            percent = 100 * count / total if total else 0.0
            rows.append((grouping, group or "(not given)", count, percent, total))
    return pd.DataFrame(rows, columns=["grouping", "group", "count", "percent", "of"])


def _regular_subsets(data: pd.DataFrame) -> set[str]:
    return {str(subset) or "(not given)" for subset in data.loc[data["category"] == "regular", "subset"]}


def _draw(axis: Axes, rows: pd.DataFrame, grouping: str, regular: set[str], rows_shown: int) -> None:
    total = int(rows["of"].max()) if len(rows) else 0
    unit = "instructions" if grouping == "subset" else "tag assignments"
    axis.set_title(f"by {grouping}, n = {total:,}", loc="left")
    widest = max(rows["percent"].max(), 1.0)
    for at, row in enumerate(rows.to_dict("records")):
        paint = SAFETY if grouping == "subset" and row["group"] not in regular else LINES[0]
        axis.barh(at, row["percent"], height=0.68, color=paint)
        axis.text(
            row["percent"] + 0.05 * widest, at, f"{row['percent']:.1f} ({row['count']:,})", va="center", fontsize=6.5
        )
        if row["published_percent"] is not None and not pd.isna(row["published_percent"]):
            axis.plot(
                [row["published_percent"]] * 2, [at - 0.42, at + 0.42], color="black", linewidth=1.4,
                solid_capstyle="butt",
            )  # fmt: skip
    axis.set_yticks(range(len(rows)), [shorten(group_name(str(group)), 26) for group in rows["group"]])
    axis.set_ylim(rows_shown - 0.4, -0.6)
    axis.set_xlim(0, 1.42 * widest)
    axis.set_xlabel(f"% of {unit}")
    axis.tick_params(axis="y", length=0)
