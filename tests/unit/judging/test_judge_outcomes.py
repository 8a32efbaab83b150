"""Comparisons: who won, at equal length, and how far judges agree."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from superficial.artifacts.errors import UserError
from superficial.config.schema import StatsConfig
from superficial.judging.judges.agreement import agreement, kappa
from superficial.judging.judges.outcomes import from_scores, length_controlled, outcomes, win_shares
from superficial.judging.judges.votes import vote_rows
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.views.tables.cases import fenced, largest_gaps

CFG = StatsConfig(resamples=400, confidence=0.95, seed=0, top_tokens=1, min_occurrences=1)


def verdicts(**votes: tuple[str, str]) -> pd.DataFrame:
    rows = [
        (name, "overall", order, vote)
        for name, both in votes.items()
        for order, vote in zip(("given", "swapped"), both, strict=True)
    ]
    return pd.DataFrame(rows, columns=["id", "aspect", "order", "vote"])


def test_both_orders_must_say_the_same():
    table = verdicts(x=("a", "a"), y=("a", "b"), z=("tie", "tie"), u=("b", "b"), v=("a", ""), w=("tie", "a"))
    found = outcomes(table).set_index("id")[["win", "tie", "lose"]]
    assert found.loc["x"].tolist() == [1, 0, 0]
    assert found.loc["u"].tolist() == [0, 0, 1]
    assert found.loc[["y", "z", "w"], "tie"].tolist() == [1, 1, 1]
    assert found.loc["v"].isna().all()


def test_a_judge_that_always_takes_the_first_ties_everything():
    """Position bias alone must not make a winner."""
    found = outcomes(verdicts(**{f"q{number}": ("a", "b") for number in range(9)}))
    assert found["tie"].tolist() == [1] * 9


def test_scores_decide_and_swapping_the_systems_swaps_the_outcome():
    rng = np.random.default_rng(0)
    rows = [(f"q{number}", aspect) for number in range(30) for aspect in ("clarity", "depth")]
    a, b = (pd.DataFrame(rows, columns=["id", "aspect"]).assign(score=rng.integers(1, 6, 60) * 1.0) for _ in range(2))
    a.loc[[0, 7], "score"] = np.nan
    one, other = (from_scores(*pair).set_index(["id", "aspect"]) for pair in ((a, b), (b, a)))
    assert one["win"].equals(other["lose"].rename("win"))
    assert one["tie"].equals(other["tie"])
    assert one.loc[[("q0", "clarity"), ("q0", "overall"), ("q3", "depth")], "win"].isna().all()
    assert not np.isnan(one.loc[("q0", "depth"), "win"])
    means = a.groupby("id")["score"].mean() - b.groupby("id")["score"].mean()
    whole = one.xs("overall", level="aspect")["win"].dropna()
    assert (whole == (means > 0).astype(float)[whole.index]).all()


def test_length_control_takes_out_what_length_explains():
    """Equally good systems, a judge that likes length: the raw rate follows length, the controlled one does not."""
    rng = np.random.default_rng(1)
    words_a, words_b = rng.integers(100, 300, 600) * 1.0, rng.integers(50, 250, 600) * 1.0
    likes = 1 / (1 + np.exp(-3 * np.tanh((words_a - words_b) / (words_a - words_b).std())))
    won = (rng.random(600) < likes).astype(float)
    shares = np.column_stack([won, np.zeros(600), 1 - won])
    bootstrap = Bootstrap.over(600, CFG)
    raw = win_shares(shares, bootstrap)[0][0]
    rate, low, high = length_controlled(shares, words_a, words_b, bootstrap)
    assert raw > 0.62
    assert low < 0.5 < high
    assert abs(rate - 0.5) < 0.07
    mirrored = length_controlled(shares[:, ::-1], words_b, words_a, bootstrap)
    assert mirrored[0] == pytest.approx(1 - rate, abs=1e-6)


@pytest.mark.parametrize("same_length", [True, False])
def test_length_control_without_a_loser_stays_finite(same_length: bool):
    shares = np.tile([1.0, 0.0, 0.0], (12, 1))
    words = np.arange(12.0)
    found = length_controlled(shares, words, words if same_length else words[::-1], Bootstrap.over(12, CFG))
    assert all(np.isfinite(found))
    assert found[1] > 0.8


def test_kappa_is_that_of_scikit_learn():
    rng = np.random.default_rng(2)
    one = rng.integers(0, 5, 200)
    other = np.clip(one + rng.integers(-1, 2, 200), 0, 4)
    pairs = pd.DataFrame({"id": [f"q{number // 5}" for number in range(200)], "one": one, "other": other})
    found = agreement(pairs, 5, CFG)
    assert found["value"] == pytest.approx(cohen_kappa_score(one, other, weights="quadratic"), abs=1e-12)
    assert found["low"] < found["value"] < found["high"]
    assert found["same"] == (one == other).mean()
    assert np.isnan(kappa(np.diag([0.0, 7.0])[None])[0])
    assert agreement(pairs[:0], 5, CFG)["n"] == 0


def test_votes_are_turned_to_the_systems_asked_for(tmp_path: Path):
    path = tmp_path / "votes.csv"
    path.write_text("id,system_a,system_b,vote\n1,m.x,m.y,A\n1,m.y,m.x,a\n2,m.y,m.x,tie\n1,m.x,m.z,b\n")
    data = pd.DataFrame({"id": ["1", "2"], "category": ["regular", "safety"]})
    assert vote_rows(path, data, "m.x", "m.y")["vote"].tolist() == ["a", "b", "tie"]
    assert vote_rows(path, data, "m.y", "m.x")["vote"].tolist() == ["b", "a", "tie"]
    found = outcomes(vote_rows(path, data, "m.x", "m.y")).set_index("id")
    assert found.loc["1", ["win", "tie", "lose"]].tolist() == [0.5, 0, 0.5]
    with pytest.raises(UserError, match="no votes between"):
        vote_rows(path, data, "m.y", "m.z")
    for text, says in (("id,vote\n1,a\n", "no column system_a"), ("id,system_a,system_b,vote\n1,x,y,c\n", "row 2"),
                       ("id,system_a,system_b,vote\n9,m.x,m.y,a\n", "id '9'")):  # fmt: skip
        path.write_text(text)
        with pytest.raises(UserError, match=says):
            vote_rows(path, data, "m.x", "m.y")


def test_cases_are_the_largest_gaps_and_cannot_leave_their_fence():
    a = pd.DataFrame({"id": ["x", "y", "z"], "aspect": "safety", "score": [5.0, 1.0, np.nan]})
    b = pd.DataFrame({"id": ["x", "y", "z"], "aspect": "safety", "score": [4.0, 5.0, 1.0]})
    assert largest_gaps(a, b, 5) == {"y": -4.0, "x": 1.0}
    assert list(largest_gaps(a, b, 1)) == ["y"]
    text = "```\n# heading\n`````\n<script>"
    lines = fenced(text).split("\n")
    assert lines[0] == "``````text"
    assert lines[-1] == "``````"
    assert "\n".join(lines[1:-1]) == text
