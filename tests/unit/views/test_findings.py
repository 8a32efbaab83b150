"""The table of findings: what it says of a claim follows from intervals alone."""

import pandas as pd
import pytest

from superficial.config.schema import FindingsTable
from superficial.views.tables.findings import findings, latex, markdown

CFG = FindingsTable.model_validate(
    {
        "dataset": "demo", "context": "zero_shot", "confidence": 0.95, "min_examples": 5,
        "pairs": [{"name": "tiny", "title": "Tiny"}],
        "contexts": [
            {"name": "zero_shot", "title": "Zero-shot", "examples": 0}, {"name": "plain", "title": "Plain", "examples": 3},
            {"name": "urial", "title": "URIAL", "examples": 3},
        ],
        "published": [{"title": "A", "unshifted": 78, "marginal": 14, "shifted": 8}],
    }
)  # fmt: skip


END = (30.0, 29.0, 31.0)  # the last tenth holds the end of turn


def tables(
    shifted: tuple[float, float, float] = (0.06, 0.05, 0.07),
    plain: tuple[float, float, float] | None = None,
    odds: tuple[float, float, float] = (2.0, 1.5, 2.5),
    tenths: tuple[tuple[float, float, float], ...] = ((0.9, 0.8, 1.0), (0.2, 0.1, 0.3)),
    handoff: tuple[tuple[float, float, float], ...] = ((0.2, 0.1, 0.3), (0.6, 0.5, 0.7)),
    handed: tuple[int, int] = (20, 20),
    closed: tuple[tuple[float, float, float], ...] = ((0.0, -0.01, 0.01), (0.2, 0.1, 0.3)),
    examples: int = 20,
) -> dict[str, pd.DataFrame]:
    bounds = ("value", "low", "high")
    mean = ("mean", "low", "high")
    return {
        "ratios": pd.DataFrame([
            {"level": level, "category": "shifted", "examples": count, **dict(zip(("share", *bounds[1:]), one, strict=True))}
            for level, count, one in (("pooled", 20, shifted), ("without_loops", 20 if plain is None else 18, plain or shifted))
        ]),
        "kinds": pd.DataFrame([{"measure": "odds_ratio", "kind": "style", "examples": examples, "tokens": 50, **dict(zip(bounds, odds, strict=True))}]),
        "positions": pd.DataFrame([{"scale": "tenth", "metric": "kl_aligned_base", "position": at, **dict(zip(mean, one, strict=True))} for at, one in zip((0, 8, 9), (*tenths, END), strict=True)]),
        "handoff": pd.DataFrame([{"measure": "rouge_l", "k": k, "examples": min(examples, count), **dict(zip(mean, one, strict=True))} for k, count, one in zip((0, 32), handed, handoff, strict=True)]),
        "recovery": pd.DataFrame([{"context": name, "grouping": "all", "measure": "kl_closed", **dict(zip(bounds, one, strict=True))} for name, one in zip(("plain", "urial"), closed, strict=True)]),
    }  # fmt: skip


def said(**changes: object) -> list[str]:
    return [str(row["says"]) for row in findings(tables(**changes), CFG)]  # type: ignore[arg-type]


def test_all_claims_hold_where_every_interval_says_so():
    assert said() == ["yes"] * 5


@pytest.mark.parametrize(
    ("place", "changes", "says"),
    [
        (0, {"shifted": (0.12, 0.11, 0.13)}, "no"),
        (0, {"shifted": (0.10, 0.09, 0.11)}, "unclear"),
        (0, {"plain": (0.12, 0.11, 0.13)}, "unclear"),
        (0, {"shifted": (0.12, 0.11, 0.13), "plain": (0.14, 0.13, 0.15)}, "no"),
        (1, {"odds": (1.2, 0.9, 1.6)}, "unclear"),
        (1, {"odds": (0.5, 0.4, 0.6)}, "no"),
        (2, {"tenths": ((0.2, 0.1, 0.3), (0.25, 0.2, 0.4))}, "unclear"),
        (2, {"tenths": ((0.2, 0.1, 0.3), (0.9, 0.8, 1.0))}, "no"),
        (3, {"handoff": ((0.6, 0.5, 0.7), (0.2, 0.1, 0.3))}, "no"),
        (4, {"closed": ((0.1, 0.0, 0.15), (0.2, 0.1, 0.3))}, "unclear"),
    ],
)
def test_one_claim_that_does_not_hold_changes_its_own_row_only(place: int, changes: dict[str, object], says: str):
    assert said(**changes) == ["yes"] * place + [says] + ["yes"] * (4 - place)


def test_where_responses_loop_the_share_without_them_stands_beside():
    against = [next(findings(tables(plain=plain), CFG))["against"] for plain in (None, (0.08, 0.07, 0.09))]
    assert against == ["at most 10", "at most 10; without responses that loop: 8.0 [7.0, 9.0]"]


def test_a_prefix_that_most_responses_do_not_reach_tells_nothing():
    assert len(list(findings(tables(handed=(20, 10)), CFG))) == 5
    assert len(list(findings(tables(handed=(20, 9)), CFG))) == 4


def test_claims_that_too_few_responses_could_tell_of_are_left_out():
    claims = [row["claim"] for row in findings(tables(examples=4), CFG)]
    assert len(claims) == 3
    assert not any("Style" in str(claim) or "follows" in str(claim) for claim in claims)


def test_the_table_shows_percent_intervals_and_the_papers_value():
    table = pd.DataFrame(findings(tables(), CFG)).assign(pair="tiny")
    first = markdown(table, CFG).splitlines()[2]
    assert (
        first == "| Tiny | Few tokens shift | shifted tokens, % | yes | 6.0<br>[5.0, 7.0] | at most 10 | 8.0 to 8.0 |"
    )
    assert r"\begin{tabular}" in latex(table, CFG)
