"""Table 1 of the paper for the systems of this run, with the paper's rows below, clearly apart."""

import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.markup import latex_text, markdown_text
from superficial.artifacts.printed import Cell, Row, latex_table, markdown_table, write_forms
from superficial.artifacts.table import read_table
from superficial.config.schema import JudgedView, RuntimeConfig, ScoresTable
from superficial.judging.scores.statistics import AVERAGE, SIX, WORDS
from superficial.views.view import View

VIEW = View(
    category="Judged answers",
    title="Table: scores by system",
    text="Mean scores of every system, the paper's rows below.",
    paper="Table 1",
    slice="scores_table",
    files={"judged": "results/judged/{dataset}/{judged}.csv"},
    part_of=["models", "published"],
    needs="scores",
)

ASPECTS = (*SIX, AVERAGE, WORDS)
HEADERS = ("system", "judge", *ASPECTS)
OURS, THEIRS, PAPER = "this run", "published judgments", "Lin et al. 2024, Table 1"
PAPER_JUDGE = "GPT-4; ChatGPT for safety"
COLUMNS = ["source", "system", "judge", "aspect", "mean", "ci_low", "ci_high", "n", "unscored"]


def run(cfg: ScoresTable, runtime: RuntimeConfig, *, judged: Path, out: list[Path]) -> None:
    """Write the table as CSV (a row for each cell), Markdown and LaTeX."""
    started = time.monotonic()
    table = pd.concat([measured(read_table(judged), cfg), _printed(cfg)], ignore_index=True)
    write_forms(table, {".md": lambda: _markdown(table, cfg), ".tex": lambda: _latex(table, cfg)}, out)
    inputs, config = {"judged": judged}, cfg.model_dump(mode="json")
    write_sidecar(out, stage="tables/scores", config=config, inputs=inputs, started=started, facts={})


def measured(table: pd.DataFrame, cfg: JudgedView) -> pd.DataFrame:
    """Rows over all instructions, by title of the system; words stand with every judge of their system."""
    found = table[table["grouping"] == "all"].fillna({"judge": ""})
    judges = found[found["judge"] != ""].groupby("system", sort=False)["judge"].unique().to_dict()
    parts = []
    for system in dict.fromkeys(found["system"]):
        for judge in judges.get(system, [""]):
            rows = found[(found["system"] == system) & found["judge"].isin([judge, ""])]
            source = OURS if cfg.systems or judge in cfg.asked else THEIRS
            parts.append(rows.assign(source=source, system=title(str(system), cfg), judge=judge))
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def title(system: str, cfg: JudgedView) -> str:
    """How a system of the table is called."""
    return next((one.title for one in cfg.systems if one.name == system), system)


def judge_note(cfg: JudgedView) -> str:
    """Who judged, and what has to be known about it."""
    return f"{'Judge' if cfg.systems else 'Judges'}: {cfg.judge.title}. {cfg.judge.caveat.strip()}".strip()


def _printed(cfg: ScoresTable) -> pd.DataFrame:
    rows = [
        {"source": PAPER, "system": row.system, "judge": PAPER_JUDGE, "aspect": aspect, "mean": getattr(row, aspect)}
        for row in cfg.published
        for aspect in ASPECTS
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _grid(table: pd.DataFrame) -> Iterator[Row]:
    """Each source as a heading, and its rows: system, judge, and the lines of each aspect; "–" where nothing is."""
    for source, part in table.groupby("source", sort=False):
        yield str(source)
        for (system, judge), rows in part.groupby(["system", "judge"], sort=False):
            cells = {str(row["aspect"]): _cell(row) for row in rows.to_dict("records")}
            yield [str(system), str(judge), *(cells.get(aspect, "–") for aspect in ASPECTS)]


def _cell(row: dict[str, float]) -> Cell:
    digits = 1 if str(row["aspect"]) == WORDS else 2
    if pd.isna(row["mean"]):
        return ["–", f"n 0, unscored {row['unscored']:.0f}"]
    value = f"{row['mean']:.{digits}f}"
    if pd.isna(row["n"]):
        return value
    ends = f"[{row['ci_low']:.{digits}f}, {row['ci_high']:.{digits}f}]"
    return [value, ends, f"n {row['n']:.0f}, unscored {row['unscored']:.0f}"]


def _note(cfg: ScoresTable) -> str:
    na = "counts as 5, as in the published code" if cfg.na_as_five else "is unscored, like an answer without a score"
    return (
        f"Data of this run: {cfg.data}. {judge_note(cfg)} Scores 1..5; five aspects on regular instructions, safety "
        f"on the others; average: plain mean of the six; words: of regular responses. In square brackets "
        f"{100 * cfg.confidence:g} % intervals, bootstrap over instructions; n: instructions with a score. N/A {na}. "
        f"The rows of {PAPER} were judged by {PAPER_JUDGE} on just-eval, and "
        "print no intervals: compare with them only under the same judge and dataset."
    )


def _markdown(table: pd.DataFrame, cfg: ScoresTable) -> str:
    return "\n".join([*markdown_table(HEADERS, _grid(table), left=2), "", markdown_text(_note(cfg)), ""])


def _latex(table: pd.DataFrame, cfg: ScoresTable) -> str:
    return "\n".join([*latex_table(HEADERS, _grid(table), left=2), latex_text(_note(cfg)), ""])
