"""Statistics against what can be computed by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from superficial.schema import StatsConfig
from superficial.stats.bootstrap import Bootstrap
from superficial.stats.clusters import clusters
from superficial.stats.frequent import frequent_tokens
from superficial.stats.groups import groups
from superficial.stats.positions import METRICS, positions
from superficial.stats.ratios import ratios
from superficial.stats.token_table import TokenTable

CFG = StatsConfig(resamples=500, confidence=0.95, seed=0, top_tokens=3, min_occurrences=2)


def frame(ranks: list[list[int]]) -> pd.DataFrame:
    """A token table of examples with the given base ranks."""
    rows = [
        {"example_id": f"e{example}", "position": position, "token_id": rank, "token": str(rank), "base_rank": rank}
        for example, response in enumerate(ranks)
        for position, rank in enumerate(response)
    ]
    table = pd.DataFrame(rows)
    for metric in METRICS:
        if metric not in table:
            table[metric] = table["base_rank"] / 10
    return table


def tokens(ranks: list[list[int]]) -> TokenTable:
    return TokenTable.of(frame(ranks))


def test_pooled_and_per_example_ratios_differ_as_they_should():
    table = tokens([[1, 1, 1, 1, 1, 1, 1, 9], [2, 9]])
    found = ratios(table, Bootstrap.over(2, CFG)).set_index(["level", "category"])["share"]
    assert found["pooled", "unshifted"] == pytest.approx(7 / 10)
    assert found["pooled", "shifted"] == pytest.approx(2 / 10)
    assert found["per_example", "shifted"] == pytest.approx((1 / 8 + 1 / 2) / 2)
    assert found["pooled"].sum() == pytest.approx(1)


def test_intervals_come_from_examples_not_tokens():
    """Ten copies of every token change no interval; ten times the examples narrow it."""
    rng = np.random.default_rng(0)
    few = [rng.integers(1, 6, 20).tolist() for _ in range(10)]
    width = {}
    for name, ranks in {"few": few, "longer": [one * 10 for one in few], "more": few * 10}.items():
        row = ratios(tokens(ranks), Bootstrap.over(len(ranks), CFG)).iloc[0]
        assert row["low"] < row["share"] < row["high"]
        width[name] = row["high"] - row["low"]
    assert width["longer"] == pytest.approx(width["few"])
    assert width["more"] < 0.5 * width["few"]


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        sums = rng.binomial(20, 0.3, size=(40, 1)).astype(float)
        _, low, high = Bootstrap.over(40, CFG).ratio(sums, np.full((40, 1), 20.0))
        hits += low[0] <= 0.3 <= high[0]
    assert 0.88 <= hits / 200 <= 0.99


def test_positions_average_over_the_examples_still_running():
    found = positions(tokens([[1, 5, 9], [3]]), Bootstrap.over(2, CFG))
    ranks = found[(found["metric"] == "base_rank") & (found["scale"] == "1")]
    assert ranks["mean"].tolist() == [2, 5, 9]
    assert ranks["examples"].tolist() == [2, 1, 1]
    geometric = found[(found["metric"] == "log10_base_rank") & (found["scale"] == "1")]["mean"]
    assert 10 ** geometric.iloc[0] == pytest.approx(3**0.5)
    binned = found[(found["metric"] == "base_rank") & (found["scale"] == "8")]
    assert binned["mean"].tolist() == pytest.approx([(1 + 5 + 9 + 3) / 4])
    shares = found[found["metric"].isin(["unshifted", "marginal", "shifted"])]
    sums = shares.groupby(["scale", "position"])["mean"].sum()
    assert sums[["1", "8"]].tolist() == pytest.approx([1] * 4)


def test_tenths_cut_every_response_into_equal_parts():
    """Two responses of unlike length that shift in their first half alone."""
    found = positions(tokens([[9] * 10 + [1] * 10, [9] * 20 + [1] * 20]), Bootstrap.over(2, CFG))
    shifted = found[(found["metric"] == "shifted") & (found["scale"] == "tenth")]
    assert shifted["mean"].tolist() == [1] * 5 + [0] * 5
    assert shifted["examples"].tolist() == [2] * 10


def test_frequent_tokens_are_counted_by_id():
    table = frame([[9, 9, 9, 1], [7, 7, 1], [8]])
    table.loc[table["base_rank"] == 7, "token"] = "9"  # another id that reads the same
    table.loc[3, ["token_id", "token"]] = [9, "9"]  # the id 9 is unshifted once
    found = frequent_tokens(TokenTable.of(table), 3, 2)
    shifted = found[found["category"] == "shifted"].set_index("order")
    assert shifted.loc["count", "token_id"].tolist() == [9, 7, 8]
    assert shifted.loc["count", "count"].tolist() == [3, 2, 1]
    assert shifted.loc["count", "rate"].tolist() == [0.75, 1, 1]
    assert shifted.loc["rate", "token_id"].tolist() == [7, 9]  # 8 occurs once only


def test_groups_count_an_example_for_each_of_its_tags():
    data = pd.DataFrame(
        {
            "id": ["e2", "e1", "e0"], "category": ["safety", "regular", "regular"],
            "tasks": [[], ["math"], ["math", "writing"]], "topics": [[], ["stem"], ["stem"]],
        }
    )  # fmt: skip
    found = groups(tokens([[1, 9], [9, 9], [1, 1, 1]]), data, Bootstrap.over(3, CFG))
    share = found[found["category"] == "shifted"].set_index(["grouping", "group"])["share"]
    assert share["task", "math"] == pytest.approx(3 / 4)
    assert share["task", "writing"] == pytest.approx(1 / 2)
    assert share["instruction", "safety"] == 0
    assert found.set_index(["grouping", "group"]).loc[("instruction", "regular"), "examples"].tolist() == [2, 2, 2]


def test_clusters_see_runs_within_a_response_only():
    """Shifts in pairs: the token after a shift is shifted half the time; the end of one response is not near the next."""
    found = clusters(tokens([[9, 9, 1, 1, 9, 9, 1, 1], [9, 9, 1, 1]]), Bootstrap.over(2, CFG)).set_index("lag")
    assert found.loc[1, "rate"] == pytest.approx(3 / 6)
    assert found.loc[1, "expected"] == pytest.approx(4 / 10)
    assert found.loc[2, "rate"] == 0
    assert found.loc[4, "rate"] == 1
    assert np.isnan(found.loc[10, "rate"])


def test_one_column_at_a_time_is_the_whole_table(tmp_path: Path):
    """Statistics from a file equal those from memory."""
    table = frame([[1, 5, 9], [3, 1]])
    table.to_parquet(tmp_path / "t.parquet", row_group_size=2)
    stored, kept = TokenTable.open(tmp_path / "t.parquet"), TokenTable.of(table)
    assert stored.ids == kept.ids == ["e0", "e1"]
    assert stored.lengths.tolist() == [3, 2]
    assert stored.texts(np.array([2, 4])) == ["9", "1"]
    pd.testing.assert_frame_equal(positions(stored, Bootstrap.over(2, CFG)), positions(kept, Bootstrap.over(2, CFG)))
