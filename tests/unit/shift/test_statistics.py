"""Statistics against what can be computed by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from superficial.artifacts.table import write_table
from superficial.config.schema import Nothing, RuntimeConfig, StatsConfig
from superficial.inference.finish_reason import EOS, LENGTH, STOP
from superficial.shift.kinds import stage as kinds_stage
from superficial.shift.kinds.classify import KINDS
from superficial.shift.statistics import stage
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.clusters import clusters
from superficial.shift.statistics.frequent import frequent_tokens
from superficial.shift.statistics.groups import groups
from superficial.shift.statistics.kinds import kinds
from superficial.shift.statistics.positions import METRICS, positions
from superficial.shift.statistics.ratios import ratios
from superficial.shift.statistics.repetition import repeated_ngrams
from superficial.shift.statistics.still_running import StillRunning
from superficial.shift.statistics.summary import summary
from superficial.shift.statistics.token_table import TokenTable

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


def test_responses_that_loop_are_left_out_of_one_level():
    """Two of three loop: more than half of their 8-grams occurred before."""
    varied, loop, longer = list(range(1, 21)), [1, 1] * 10, [1, 2, 3] * 20
    found = ratios(tokens([varied, loop, longer]), Bootstrap.over(3, CFG)).set_index(["level", "category"])
    assert found.loc["without_loops", "share"].tolist() == [1 / 20, 2 / 20, 17 / 20]
    assert found.loc["without_loops", "tokens"].tolist() == [1, 2, 17]
    assert found.loc["without_loops", "examples"].tolist() == [1] * 3
    assert found.loc["pooled", "examples"].tolist() == [3] * 3
    none = ratios(tokens([loop, longer]), Bootstrap.over(2, CFG)).set_index("level").loc["without_loops"]
    assert none["share"].isna().all()
    assert none["low"].isna().all()
    assert not none[["tokens", "examples"]].any(axis=None)


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
    found = frequent_tokens(TokenTable.of(table), 3, 2, Bootstrap.over(3, CFG))
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
    """Statistics from a file equal those from memory, wherever its groups of rows end."""
    table = frame([[1, 5, 9], [3, 1]])
    table.to_parquet(tmp_path / "t.parquet", row_group_size=2)
    stored, kept = TokenTable.open(tmp_path / "t.parquet"), TokenTable.of(table)
    assert stored.ids == kept.ids == ["e0", "e1"]
    assert stored.lengths.tolist() == [3, 2]
    assert stored.texts(np.array([2, 4])) == ["9", "1"]
    pd.testing.assert_frame_equal(positions(stored, Bootstrap.over(2, CFG)), positions(kept, Bootstrap.over(2, CFG)))


def many(seed: int = 3, examples: int = 30) -> pd.DataFrame:
    """A table of examples of unlike length with ranks as they come: many 1, few large."""
    rng = np.random.default_rng(seed)
    return frame([np.minimum(rng.zipf(1.7, size), 50).tolist() for size in rng.integers(1, 40, examples)])


def data_of(table: pd.DataFrame) -> pd.DataFrame:
    ids = sorted(table["example_id"].unique())
    tags = [[f"t{len(name) + number % 3}"] for number, name in enumerate(ids)]
    category = np.where(np.arange(len(ids)) % 4, "regular", "safety")
    return pd.DataFrame({"id": ids, "category": category, "tasks": tags, "topics": tags})


def answers_of(table: pd.DataFrame) -> pd.DataFrame:
    by_example = table.groupby("example_id", sort=True)["token_id"]
    ids, tokens = zip(*((name, part.to_numpy()) for name, part in by_example), strict=True)
    return pd.DataFrame({"id": ids, "token_ids": tokens, "finish_reason": [EOS, LENGTH, STOP] * (len(ids) // 3)})


def every_table(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All statistics of a table in memory."""
    kind = pd.Categorical.from_codes(table["token_id"] % len(KINDS), KINDS)
    tokens = TokenTable.of(table.assign(kind=kind))
    bootstrap = Bootstrap.over(tokens.examples, CFG)
    return {
        "ratios": ratios(tokens, bootstrap),
        "positions": positions(tokens, bootstrap),
        "tokens": frequent_tokens(tokens, CFG.top_tokens, CFG.min_occurrences, bootstrap),
        "kinds": kinds(tokens, bootstrap),
        "groups": groups(tokens, data_of(table), bootstrap),
        "clusters": clusters(tokens, bootstrap),
        "summary": summary(tokens, [answers_of(table)], bootstrap),
    }


@pytest.mark.parametrize(("rows", "examples"), [(1, 99), (45, 99), (10**6, 4)])
def test_parts_of_any_size_give_the_same_tables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rows: int, examples: int
):
    whole = every_table(many().assign(aligned_rank=1))
    monkeypatch.setattr("superficial.shift.statistics.token_table.ROWS", rows)
    for name in ("MOST", "BLOCK"):
        monkeypatch.setattr(f"superficial.shift.statistics.token_table.{name}", examples)
    for name, found in every_table(many().assign(aligned_rank=1)).items():
        for file, table in (("one.csv", whole[name]), ("other.csv", found)):
            write_table(table, tmp_path / file)
        assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "other.csv").read_bytes(), name


def test_no_statistic_reads_more_rows_than_a_part_has(monkeypatch: pytest.MonkeyPatch):
    """So memory does not grow with the number of tokens. The longest response has 39 of them."""
    asked = []
    read = TokenTable.read

    def counted(table: TokenTable, name: str, start: int = 0, stop: int | None = None) -> pa.ChunkedArray:
        asked.append((table.size if stop is None else stop) - start)
        return read(table, name, start, stop)

    monkeypatch.setattr("superficial.shift.statistics.token_table.ROWS", 45)
    monkeypatch.setattr(TokenTable, "read", counted)
    table = many().assign(aligned_rank=1)
    every_table(table)
    assert len(asked) > 100
    assert max(asked) <= 45 < len(table)


def test_the_order_of_the_examples_changes_no_estimate():
    """Shards are put together in any order."""
    table = many().assign(aligned_rank=1)
    names = np.random.default_rng(0).permutation(table["example_id"].unique())
    moved = pd.concat([table[table["example_id"] == name] for name in names], ignore_index=True)
    one, other = every_table(table), every_table(moved)
    for name in one:
        estimates = [column for column in one[name] if not column.endswith(("low", "high"))]
        pd.testing.assert_frame_equal(one[name][estimates], other[name][estimates], rtol=1e-12, obj=name)


def test_estimates_are_those_of_plain_pandas():
    """Two tables one after the other, against sums by hand."""
    table = pd.concat([many(3), many(4).assign(example_id=lambda part: "x" + part["example_id"])], ignore_index=True)
    found = positions(TokenTable.of(table), Bootstrap.over(60, CFG)).set_index(["scale", "metric"])
    length = table.groupby("example_id")["position"].transform("size")
    bins = {"1": table["position"], "8": table["position"] // 8 * 8, "tenth": 10 * table["position"] // length}
    for scale, place in bins.items():
        for metric in ("js", "base_rank"):
            truth = table.groupby(place)[metric].mean()
            rows = found.loc[(scale, metric)].set_index("position")
            assert rows["mean"].to_numpy() == pytest.approx(truth.to_numpy(), abs=1e-12)
            running = table.groupby(place)["example_id"].nunique()
            assert rows["examples"].tolist() == running.tolist()
    shifted = table["base_rank"] > 3
    tokens = frequent_tokens(TokenTable.of(table), 5, 3, Bootstrap.over(60, CFG))
    rows = tokens[(tokens["category"] == "shifted") & (tokens["order"] == "count")].set_index("token_id")
    assert rows["count"].tolist() == sorted(table[shifted].groupby("token_id").size(), reverse=True)[:5]
    for token, row in rows.iterrows():
        assert row["rate"] == pytest.approx(shifted[table["token_id"] == token].mean())
        assert row["count_low"] < row["count"] < row["count_high"]
        assert row["rate_low"] <= row["rate"] <= row["rate_high"]


def test_resampled_sums_by_position_are_those_over_all_examples():
    """Leaving out the examples that have ended leaves out zeros only."""
    table = TokenTable.of(many())
    bootstrap = Bootstrap.over(table.examples, CFG)
    value = table.column("js")
    for last in (2048, 7):
        dense = np.zeros((table.examples, min(last, table.lengths.max())))
        seen = table.position < last
        dense[table.example[seen], table.position[seen]] = value[seen]
        running = StillRunning(table, bootstrap, last)
        sums, drawn = running.sums(lambda part: part.column("js"))
        assert sums == pytest.approx(dense.sum(axis=0))
        assert drawn == pytest.approx(bootstrap.weights @ dense)
        assert running.examples.tolist() == [(table.lengths > position).sum() for position in range(dense.shape[1])]


def test_blank_resamples_are_left_out_of_an_interval():
    draws = np.array([[1.0, np.nan, np.nan], [3.0, 2.0, np.nan], [2.0, 2.0, np.nan]])
    low, high = Bootstrap(np.ones((3, 1), np.uint16), 0.0).interval(draws)
    assert low[:2].tolist() == [1, 2]
    assert high[:2].tolist() == [3, 2]
    assert np.isnan([low[2], high[2]]).all()


def test_draws_do_not_depend_on_the_size_of_their_blocks(monkeypatch: pytest.MonkeyPatch):
    whole = Bootstrap.over(7, CFG).weights
    assert (whole.sum(axis=1) == 7).all()
    monkeypatch.setattr("superficial.shift.statistics.bootstrap.BLOCK", 33)
    assert (Bootstrap.over(7, CFG).weights == whole).all()


def test_lists_of_candidates_are_never_read(tmp_path: Path):
    """Their bytes are destroyed; the stages that read the token table do not notice."""
    table = many().assign(aligned_rank=1)
    for name in ("base_top_ids", "aligned_top_tokens"):
        table[name] = [[f"{row} and some text that takes space"] for row in range(len(table))]
    files = {name: tmp_path / f"{name}.parquet" for name in ("shifts", "token_kinds", "responses", "data")}
    table.to_parquet(files["shifts"], row_group_size=100)
    destroy_lists(files["shifts"])
    with pytest.raises(OSError, match=r"page|Thrift|deserialize"):
        pd.read_parquet(files["shifts"], columns=["base_top_ids"])
    answers_of(table).to_parquet(files["responses"])
    data_of(table).to_parquet(files["data"])
    runtime = RuntimeConfig.model_construct()
    kinds_stage.run(Nothing(), runtime, shifts=files["shifts"], responses=files["responses"], out=files["token_kinds"])
    out = [tmp_path / f"{name}.csv" for name in every_table(table)]
    stage.run(CFG, runtime, **files, out=out)
    plain = every_table(table)
    del plain["kinds"]  # kinds that the test invents
    for name, truth in plain.items():
        write_table(truth, tmp_path / "plain.csv")
        assert (tmp_path / f"{name}.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()


def destroy_lists(path: Path) -> None:
    metadata = pq.ParquetFile(path).metadata
    with open(path, "r+b") as file:
        for group in range(metadata.num_row_groups):
            for number in range(metadata.num_columns):
                column = metadata.row_group(group).column(number)
                if "_top_" in column.path_in_schema:
                    file.seek(column.dictionary_page_offset or column.data_page_offset)
                    file.write(b"\xff" * column.total_compressed_size)


def test_repeated_ngrams_by_hand():
    assert repeated_ngrams(np.array([], dtype=np.int64)) == 0
    assert repeated_ngrams(np.arange(8)) == 0
    assert repeated_ngrams(np.array([1] * 10)) == pytest.approx(2 / 3)
    # 256 has the bytes of 1, one place further: grams are of tokens, not of bytes.
    assert repeated_ngrams(np.array([1, 256, 1, 256, 65536]), n=2) == pytest.approx(1 / 4)
