"""Numbers of this run that the paper prints, too: both side by side."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from superficial.artifacts.table import read_table
from superficial.config.schema import ReportStage
from superficial.shift.category import CATEGORIES
from superficial.views.report.grid import Grid
from superficial.views.tables.scores import ASPECTS

LIN = "Lin et al. 2024"
OURS = "this run"


def shift_grid(cfg: ReportStage, table: pd.DataFrame) -> Grid:
    """Shares of the three categories; the paper's row for a pair stands right below ours, the other pairs follow."""
    found = table[table["source"].isin(["measured", "published"]) & table["share"].notna()]
    rows = []
    printed = {
        row.title: [LIN, *(f"{getattr(row, kind):.1f}" for kind in CATEGORIES), "1,000"] for row in cfg.token_shift
    }
    for pair in cfg.pairs:
        mine = found[(found["title"] == pair.title) & (found["source"] == "measured")].set_index("category")
        if mine.empty:
            continue
        shares = [_percent(mine.loc[kind]) for kind in CATEGORIES]
        rows.append([pair.title, OURS, *shares, f"{mine['examples'].max():,.0f}"])
        if pair.reference in printed:
            rows.append([f"{pair.reference} (the same pair)", *printed.pop(pair.reference)])
    rows += [[title, *row] for title, row in printed.items()]
    header = ["pair", "source", *(f"{kind}, %" for kind in CATEGORIES), "responses"]
    return Grid("Shares of response tokens (Figure 3)", header, rows, "In brackets: intervals; the paper prints none.")


def share_grid(cfg: ReportStage, table: pd.DataFrame) -> Grid:
    """Shares of tags where the paper prints them: for its own dataset only."""
    found = table[table["published_percent"].notna()]
    rows = [
        [f"{row['grouping']} {row['group']}", f"{row['percent']:.1f}", f"{row['published_percent']:.1f}"]
        for row in found.to_dict("records")
    ]
    return Grid("Shares of tag assignments (Figure 6)", ["tag", f"{OURS}, %", f"{LIN}, %"], rows)


def score_grid(cfg: ReportStage, table: pd.DataFrame) -> Grid:
    """Mean scores by system, this run's first."""
    rows = []
    for (source, system, judge), part in table.groupby(["source", "system", "judge"], sort=False, dropna=False):
        means = part.set_index("aspect")["mean"].reindex(ASPECTS)
        cells = [
            "–" if pd.isna(mean) else f"{mean:.{1 if aspect == 'words' else 2}f}" for aspect, mean in means.items()
        ]
        rows.append([str(system), _source(source), str(judge), *cells])
    note = "Compare only under the same judge and the same instructions; n and intervals stand in the table of scores."
    return Grid("Scores (Table 1)", ["system", "source", "judge", *ASPECTS], rows, note)


def comparison_grid(cfg: ReportStage, table: pd.DataFrame) -> Grid:
    """Wins, ties and losses overall."""
    found = table[(table["aspect"] == "overall") & table["win"].notna()]
    rows = [
        [row["a"], row["b"], _source(row["source"]), f"{row['judge']}, {row['how']}"]
        + [f"{100 * row[name]:.1f}" for name in ("win", "tie", "lose")]
        for row in found.to_dict("records")
    ]
    return Grid("Comparisons (Table 2)", ["a", "b", "source", "judge", "a wins, %", "tie, %", "b wins, %"], rows)


def _source(source: object) -> str:
    return LIN if str(source).startswith(LIN) else str(source)


def _percent(row: "pd.Series[float]") -> str:
    return f"{100 * row['share']:.1f} [{100 * row['low']:.1f},\u00a0{100 * row['high']:.1f}]"


GRIDS: Mapping[str, Callable[[ReportStage, pd.DataFrame], Grid]] = {
    "figures/shift_ratio": shift_grid,
    "figures/dataset_stats": share_grid,
    "tables/scores": score_grid,
    "tables/pairwise": comparison_grid,
}


def grid_of(name: str, cfg: ReportStage, files: Mapping[str, Path]) -> Grid | None:
    """What the paper says about a result, beside ours; None where it says nothing."""
    if name not in GRIDS or name not in files:
        return None
    grid = GRIDS[name](cfg, read_table(files[name]))
    return grid if grid.rows else None
