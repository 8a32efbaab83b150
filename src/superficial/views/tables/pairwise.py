"""Table 2 of the paper for the comparisons of this run: win, tie and lose, asked and derived from scores."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.printed import write_forms
from superficial.artifacts.table import read_table
from superficial.config.schema import RuntimeConfig
from superficial.config.schema.judge import Comparison, PairwiseTable
from superficial.data.words import count_words
from superficial.judging.judges.agreement import agreement
from superficial.judging.judges.aspects import OVERALL
from superficial.judging.judges.outcomes import SHARES, from_scores, length_controlled, outcomes, win_shares
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.views.tables.pairwise_layout import latex, markdown
from superficial.views.view import View

VIEW = View(
    category="Judged answers",
    title="Table: two systems compared",
    text="Win, tie and lose, asked in both orders and derived from scores.",
    paper="Table 2",
    slice="pairwise_table",
)

ASKED, VOTED, DERIVED = "asked in both orders", "votes", "from scores"
PAPER = "Lin et al. 2024, Table 2"


def run(
    cfg: PairwiseTable, runtime: RuntimeConfig, *, pairwise: Path | list[Path], results: Path, out: list[Path]
) -> None:
    """Write the table as CSV (a row for each comparison, judge and aspect), Markdown and LaTeX."""
    started = time.monotonic()
    files = [pairwise] if isinstance(pairwise, Path) else pairwise
    found = list(_all_outcomes(cfg, files, results))
    table = pd.DataFrame(
        [row for comparison, judge, how, part in found for row in _rows(cfg, comparison, judge, how, part, results)]
        + _agreements(cfg, found)
        + _printed(cfg)
    )
    write_forms(table, {".md": lambda: markdown(table, cfg), ".tex": lambda: latex(table, cfg)}, out)
    config = cfg.model_dump(mode="json")
    inputs = {str(path): path for path in files}
    facts = {"comparisons": len(cfg.comparisons)}
    write_sidecar(out, stage="tables/pairwise", config=config, inputs=inputs, started=started, facts=facts)


Found = tuple[Comparison, str, str, pd.DataFrame]  # comparison, title of the judge, how, outcomes


def _all_outcomes(cfg: PairwiseTable, files: list[Path], results: Path) -> Iterator[Found]:
    parts = iter(files)
    for judge in cfg.asked:
        for comparison in cfg.comparisons:
            table = read_table(next(parts))
            how = ASKED if table["order"].nunique() > 1 else VOTED
            yield comparison, judge.title, how, outcomes(table)
    if cfg.scored:
        folder = results / "judgments" / cfg.dataset / cfg.judge.name
        for comparison in cfg.comparisons:
            a, b = (read_table(folder / _system(one.name, ".parquet")) for one in (comparison.a, comparison.b))
            yield comparison, cfg.judge.title, DERIVED, from_scores(a, b)


def _system(name: str, suffix: str) -> str:
    return name.replace(".", "/", 1) + suffix


def _rows(
    cfg: PairwiseTable, comparison: Comparison, judge: str, how: str, found: pd.DataFrame, results: Path
) -> Iterator[dict[str, object]]:
    """One row for each aspect: shares with intervals, win rate (ties as halves), the same at equal length."""
    folder = results / "responses" / cfg.dataset
    words = [_words(folder / _system(one.name, ".parquet")) for one in (comparison.a, comparison.b)]
    for aspect, part in found.groupby("aspect", sort=False):
        known = part[part["win"].notna()]
        row: dict[str, object] = {
            "source": "this run", "comparison": comparison.name, "a": comparison.a.title, "b": comparison.b.title,
            "judge": judge, "how": how, "aspect": aspect, "n": len(known), "unscored": len(part) - len(known),
        }  # fmt: skip
        if len(known):
            shares = known[list(SHARES)].to_numpy(float)
            bootstrap = Bootstrap.over(len(known), cfg)
            for end, values in zip(("", "_low", "_high"), win_shares(shares, bootstrap), strict=True):
                row |= {f"{name}{end}": float(value) for name, value in zip(SHARES, values, strict=True)}
            rates = (shares[:, :1] + shares[:, 1:2] / 2, np.ones((len(known), 1)))
            names = ("win_rate", "win_rate_low", "win_rate_high")
            row |= dict(zip(names, (float(part[0]) for part in bootstrap.ratio(*rates)), strict=True))
            a, b = (one.reindex(known["id"]).to_numpy(float) for one in words)
            names = ("equal_length", "equal_length_low", "equal_length_high")
            row |= dict(zip(names, length_controlled(shares, a, b, bootstrap), strict=True))
        yield row


def _words(path: Path) -> "pd.Series[int]":
    table = read_table(path).set_index("id")["text"]
    return table.map(count_words)


def _agreements(cfg: PairwiseTable, found: list[Found]) -> list[dict[str, object]]:
    """Agreement on the overall outcome of every two ways of telling it, over all comparisons."""
    ways: dict[tuple[str, str], pd.DataFrame] = {}
    for comparison, judge, how, part in found:
        overall = part[(part["aspect"] == OVERALL) & part["win"].notna()]
        named = pd.DataFrame(
            {"id": comparison.name + "/" + overall["id"], "level": 1 + overall["lose"] - overall["win"]}
        )
        ways[judge, how] = pd.concat([ways[judge, how], named]) if (judge, how) in ways else named
    rows = []
    names = list(ways)
    for number, one in enumerate(names):
        for other in names[number + 1 :]:
            pairs = ways[one].merge(ways[other], on="id", suffixes=("_one", "_other"))
            pairs = pairs.rename(columns={"level_one": "one", "level_other": "other"})
            measured = agreement(pairs, 3, cfg)
            rows.append(
                {"source": "agreement", "judge": one[0], "how": one[1], "other_judge": other[0], "other_how": other[1],
                 "aspect": OVERALL, "n": measured["n"], "kappa": measured["value"], "kappa_low": measured["low"],
                 "kappa_high": measured["high"], "same": measured["same"]}
            )  # fmt: skip
    return rows


def _printed(cfg: PairwiseTable) -> list[dict[str, object]]:
    return [
        {"source": PAPER, "comparison": row.model, "a": f"{row.model}, URIAL", "b": f"{row.model}, tuned",
         "judge": "people", "how": VOTED, "aspect": OVERALL, "win": row.urial / 100, "tie": row.tie / 100,
         "lose": row.tuned / 100}
        for row in cfg.published
    ]  # fmt: skip
