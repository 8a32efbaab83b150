"""The table of cases (appendix B of the paper): where two systems differ most, with what they said and why."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from superficial.artifact import whole_file, write_sidecar
from superficial.markup import markdown_text, minus
from superficial.schema import RuntimeConfig
from superficial.schema.judge import CasesTable, Comparison
from superficial.table import read_table


def run(cfg: CasesTable, runtime: RuntimeConfig, *, data: Path, results: Path, out: Path) -> None:
    """Write Markdown: for each comparison the instructions with the largest gaps in mean score, both ways."""
    started = time.monotonic()
    instructions = read_table(data).set_index("id")["instruction"]
    lines = ["# Where two systems differ most", "", f"Judge: {markdown_text(cfg.judge.title)}."]
    lines += [markdown_text(cfg.judge.caveat), ""] if cfg.judge.caveat else [""]
    for comparison in cfg.comparisons:
        lines += _comparison(comparison, cfg, instructions, results)
    if not cfg.comparisons:
        lines.append("No comparison of `pairwise.systems` answers in this run.")
    with whole_file(out) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    facts = {"comparisons": len(cfg.comparisons)}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="tables/cases", config=config, inputs={"data": data}, started=started, facts=facts)


def _comparison(
    comparison: Comparison, cfg: CasesTable, instructions: "pd.Series[str]", results: Path
) -> Iterator[str]:
    sides = (comparison.a, comparison.b)
    names = [one.name.replace(".", "/", 1) + ".parquet" for one in sides]
    judged = [read_table(results / "judgments" / cfg.dataset / cfg.judge.name / name) for name in names]
    texts = [read_table(results / "responses" / cfg.dataset / name).set_index("id")["text"] for name in names]
    gaps = largest_gaps(judged[0], judged[1], cfg.cases)
    yield from (f"## {markdown_text(sides[0].title)} against {markdown_text(sides[1].title)}", "")
    if not gaps:
        yield from ("No instruction was scored for both.", "")
    for name, gap in gaps.items():
        points = minus(f"{gap:+.2f}")
        yield from (f"### {markdown_text(name)}: {points} points", "", fenced(instructions[name]), "")
        for side, table, text in zip(sides, judged, texts, strict=True):
            yield from (f"**{markdown_text(side.title)}**", "", fenced(text[name]), "")
            yield from _reasons(table[table["id"] == name])
            yield ""


def largest_gaps(a: pd.DataFrame, b: pd.DataFrame, count: int) -> dict[str, float]:
    """Mean score of a less that of b by id, over the aspects that both have: the `count` largest."""
    both = a.merge(b, on=["id", "aspect"], suffixes=("_a", "_b"), sort=False)
    gaps = (both["score_a"] - both["score_b"]).groupby(both["id"], sort=False).mean().dropna()
    order = gaps.abs().sort_values(ascending=False, kind="stable").index[:count]
    return {str(name): float(gaps[name]) for name in order}


def _reasons(table: pd.DataFrame) -> Iterator[str]:
    for row in table.to_dict("records"):
        score = (
            f"{row['score']:.3g}" if row["score"] == row["score"] else f"unscored ({markdown_text(row['unscored'])})"
        )
        yield f"- {row['aspect']} {score}: {markdown_text(row['reason'])}"


def fenced(text: str) -> str:
    """`text` in a Markdown fence that nothing in it can close.

    >>> print(fenced("a ```` b"))
    `````text
    a ```` b
    `````
    """
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"
