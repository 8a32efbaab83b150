"""Cases (appendix B of the paper): where two systems differ most, with what they said and why; as Markdown here."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import pandas as pd

from superficial.artifacts.files import whole_file, write_sidecar
from superficial.artifacts.markup import markdown_text, minus, visible
from superficial.artifacts.table import read_table
from superficial.config.schema import RuntimeConfig
from superficial.config.schema.judge import CasesTable, Comparison
from superficial.data.dialogue import answered_queries
from superficial.views.judgment import ShownJudgment, judgments_by_aspect
from superficial.views.view import View

VIEW = View(
    category="Judged answers",
    title="Table: where two systems differ most",
    text="Instructions with the largest gaps, and the reasons.",
    paper="appendix B",
    slice="cases",
    needs="judge",
    out=["results/tables/cases.md"],
)


@dataclass(frozen=True)
class CaseAnswer:
    """The response of one system, and the judgments of it by aspect."""

    system: str
    text: str
    judgments: Mapping[str, ShownJudgment]


@dataclass(frozen=True)
class Case:
    """One instruction and both answers; `gap`: mean score of the first less that of the second, in points."""

    id: str
    instruction: str
    gap: float
    answers: tuple[CaseAnswer, CaseAnswer]

    @property
    def aspects(self) -> list[str]:
        """Every aspect that either answer was judged on."""
        return list(dict.fromkeys(aspect for answer in self.answers for aspect in answer.judgments))

    def best(self, aspect: str) -> float | None:
        """The higher of two scores of an aspect; None where they are equal, or one is missing."""
        scores = [answer.judgments[aspect].score for answer in self.answers if aspect in answer.judgments]
        known = {score for score in scores if not isnan(score)}
        return max(known) if len(known) == 2 else None


def run(cfg: CasesTable, runtime: RuntimeConfig, *, data: Path, results: Path, out: Path) -> None:
    """Write Markdown: for each comparison the instructions with the largest gaps in mean score, both ways."""
    started = time.monotonic()
    found = list(all_cases(cfg, read_table(data), results))
    with whole_file(out) as partial:
        partial.write_text(markdown(cfg, found), encoding="utf-8")
    facts = {"comparisons": len(cfg.comparisons)}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="tables/cases", config=config, inputs={"data": data}, started=started, facts=facts)


def all_cases(cfg: CasesTable, data: pd.DataFrame, results: Path) -> Iterator[tuple[Comparison, list[Case]]]:
    """The cases of each comparison, the largest gap first."""
    instructions = answered_queries(data, in_full=True)
    for comparison in cfg.comparisons:
        sides = (comparison.a, comparison.b)
        names = [one.name.replace(".", "/", 1) + ".parquet" for one in sides]
        judged = [read_table(results / "judgments" / cfg.dataset / cfg.judge.name / name) for name in names]
        texts = [read_table(results / "responses" / cfg.dataset / name).set_index("id")["text"] for name in names]
        cases = []
        for name, gap in largest_gaps(judged[0], judged[1], cfg.cases).items():
            a, b = (
                CaseAnswer(side.title, text[name], judgments_by_aspect(table[table["id"] == name]))
                for side, table, text in zip(sides, judged, texts, strict=True)
            )
            cases.append(Case(name, instructions[name], gap, (a, b)))
        yield comparison, cases


def largest_gaps(a: pd.DataFrame, b: pd.DataFrame, count: int) -> dict[str, float]:
    """Mean score of a less that of b by id, over the aspects that both have: the `count` largest."""
    both = a.merge(b, on=["id", "aspect"], suffixes=("_a", "_b"), sort=False)
    gaps = (both["score_a"] - both["score_b"]).groupby(both["id"], sort=False).mean().dropna()
    order = gaps.abs().sort_values(ascending=False, kind="stable").index[:count]
    return {str(name): float(gaps[name]) for name in order}


def markdown(cfg: CasesTable, found: Sequence[tuple[Comparison, Sequence[Case]]]) -> str:
    """A section for each comparison, and one below it for each case."""
    lines = ["# Where two systems differ most", "", f"Judge: {markdown_text(cfg.judge.title)}."]
    lines += [markdown_text(cfg.judge.caveat), ""] if cfg.judge.caveat else [""]
    for comparison, cases in found:
        lines += [f"## {markdown_text(comparison.a.title)} against {markdown_text(comparison.b.title)}", ""]
        lines += [line for case in cases for line in _section(case)]
        lines += [] if cases else ["No instruction was scored for both.", ""]
    if not found:
        lines.append("No comparison of `pairwise.systems` answers in this run, or its judge gives no scores.")
    return "\n".join(lines) + "\n"


def _section(case: Case) -> Iterator[str]:
    points = minus(f"{case.gap:+.2f}")
    yield from (f"### {markdown_text(case.id)}: {points} points", "", fenced(case.instruction), "")
    for answer in case.answers:
        yield from (f"**{markdown_text(answer.system)}**", "", fenced(answer.text), "")
        for aspect, said in answer.judgments.items():
            score = f"unscored ({markdown_text(said.unscored)})" if said.unscored else said.shown
            yield f"- {aspect} {score}: {markdown_text(said.reason)}"
        yield ""


def fenced(text: str) -> str:
    """`text` in a Markdown fence that nothing in it can close.

    >>> print(fenced("a ```` b"))
    `````text
    a ```` b
    `````
    """
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{visible(text)}\n{fence}"
