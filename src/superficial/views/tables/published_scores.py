"""The table of published scores, under the published meaning of N/A and under ours."""

import time
from pathlib import Path

import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.markup import markdown_text
from superficial.artifacts.printed import markdown_table, write_forms
from superficial.artifacts.table import read_table
from superficial.config.schema import PublishedTable, RuntimeConfig
from superficial.judging.scores.statistics import AVERAGE, WORDS, count_na, score_table
from superficial.views.view import View

VIEW = View(
    category="Judged answers",
    title="Table: published judgments",
    text="Mean scores of every published system and judge.",
    slice="published_table",
    files={
        "judgments": "results/published/{dataset}/{published}.parquet",
        "responses": "results/published/{dataset}/responses.parquet",
        "data": "results/data/{dataset}.parquet",
    },
    part_of=["published"],
    out=["results/tables/published_scores.csv", "results/tables/published_scores.md"],
)

HEADERS = ("system", "judge", "aspect", "N/A unscored", "n", "unscored", "N/A = 5", "n")
COLUMNS = ["system", "judge", "aspect", "mean", "ci_low", "ci_high", "n", "unscored"]


def run(
    cfg: PublishedTable, runtime: RuntimeConfig, *, judgments: Path, responses: Path, data: Path, out: list[Path]
) -> None:
    """Write the CSV under the meaning of N/A that `cfg` gives it, and Markdown with both beside each other."""
    started = time.monotonic()
    scores, answers, instructions = (read_table(path) for path in (judgments, responses, data))
    tables = {
        five: published_scores(count_na(scores, as_five=five), answers, instructions, cfg) for five in (False, True)
    }
    write_forms(tables[cfg.na_as_five], {".md": lambda: markdown(tables[False], tables[True], cfg)}, out)
    inputs = {"judgments": judgments, "responses": responses, "data": data}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="tables/published_scores", config=config, inputs=inputs, started=started, facts={})


def published_scores(
    judgments: pd.DataFrame, responses: pd.DataFrame, data: pd.DataFrame, cfg: PublishedTable
) -> pd.DataFrame:
    """One row for each system, judge and aspect; words have no judge."""
    # Without tags: they do not matter here, and every group costs a bootstrap.
    table = score_table(judgments, responses, data[["id", "category"]], cfg)
    chosen = table[(table["grouping"] == "all") & (table["aspect"] != AVERAGE)]
    return chosen[COLUMNS].sort_values(["system"], kind="stable", ignore_index=True)


def markdown(ours: pd.DataFrame, theirs: pd.DataFrame, cfg: PublishedTable) -> str:
    """Both meanings of N/A side by side."""
    rows = []
    for one, other in zip(ours.to_dict("records"), theirs.to_dict("records"), strict=True):
        digits = 1 if one["aspect"] == WORDS else 3
        cells = [
            f"{row['mean']:.{digits}f} [{row['ci_low']:.{digits}f}, {row['ci_high']:.{digits}f}]"
            for row in (one, other)
        ]
        names = [str(one[key]) for key in ("system", "judge", "aspect")]
        rows.append([*names, cells[0], str(one["n"]), str(one["unscored"]), cells[1], str(other["n"])])
    note = (
        f"Square brackets: {100 * cfg.confidence:g} % intervals, bootstrap over instructions, {cfg.resamples:,} "
        "resamples. N/A = 5 is the convention of the published code; without it, an N/A is no score. "
        f"Words: regular instructions. Judges: {cfg.judge.title}. {cfg.judge.caveat.strip()}"
    )
    return "\n".join([*markdown_table(HEADERS, rows, left=3), "", markdown_text(note.strip()), ""])
