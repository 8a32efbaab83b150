"""Thinking and answers apart: two parts of one table, and the whole where nothing thinks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import IntervalsConfig, PairsTable, PairTitle, RuntimeConfig
from superficial.shift.category import CATEGORIES
from superficial.shift.columns.thinking import DIVERGENCES
from superficial.shift.kinds.classify import KINDS
from superficial.shift.statistics.token_column import run
from superficial.views.tables import thinking as table_of_thinking

CFG = IntervalsConfig(resamples=200, confidence=0.9, seed=0)
RUNTIME = RuntimeConfig(device="cpu", generate_batch=1, score_tokens=1, position_chunk=1)
RANKS = [[9, 2, 1, 1, 5], [7, 8], [1, 3, 1], [1]]
COUNTS = [2, 2, 0, 0]  # thinking tokens: before an answer, and with no answer behind them


def frame_of(ranks: list[list[int]]) -> pd.DataFrame:
    """A token table of examples with the given base ranks, and divergences that grow with them."""
    rows = [
        {"example_id": f"e{example}", "position": position, "base_rank": rank}
        for example, response in enumerate(ranks)
        for position, rank in enumerate(response)
    ]
    table = pd.DataFrame(rows)
    return table.assign(**{name: table["base_rank"] / size for size, name in enumerate(DIVERGENCES, start=8)})


def made(folder: Path, counts: list[int] | None) -> pd.DataFrame:
    """The column's statistics; the table of its numbers lies beside them."""
    table = frame_of(RANKS)
    kinds = pd.Categorical([KINDS[row % 3] for row in range(len(table))], categories=KINDS)
    responses = pd.DataFrame({"id": [f"e{example}" for example in range(len(RANKS))][::-1]})
    if counts is not None:
        responses["thinking_tokens"] = counts[::-1]  # in another order than the tokens
    files = {
        "shifts": table,
        "token_kinds": table[["example_id", "position"]].assign(kind=kinds),
        "responses": responses,
    }
    for name, one in files.items():
        write_table(one, folder / f"{name}.parquet")
    out = [folder / "thinking.parquet", folder / "columns" / "thinking.csv"]
    run(CFG, RUNTIME, **{name: folder / f"{name}.parquet" for name in files}, out=out)
    return read_table(out[1])


def test_both_parts_are_counted_by_hand_and_make_up_the_whole(tmp_path: Path):
    found = made(tmp_path, COUNTS).set_index(["part", "kind", "measure"]).sort_index()
    column = pd.read_parquet(tmp_path / "thinking.parquet")
    assert column["thinking"].tolist() == [1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0]
    table = frame_of(RANKS)
    for number, part in enumerate(("answer", "thinking")):
        rows = table[(column["thinking"] == number).to_numpy()]
        own = found.loc[part, "all"]
        assert own.loc["shifted", "value"] == pytest.approx((rows["base_rank"] > 3).mean())
        assert own.loc["js", "value"] == pytest.approx(rows["js"].mean())
        assert own["tokens"].eq(len(rows)).all()
        assert sum(own.loc[name, "value"] for name in CATEGORIES) == pytest.approx(1)
        kinds = found.loc[part].drop("all").xs("share_of_tokens", level="measure")
        assert kinds["value"].sum() == pytest.approx(1)
        assert kinds["tokens"].sum() == len(rows)
    both = found.xs("all", level="kind")
    assert both.xs("share_of_tokens", level="measure")["value"].sum() == pytest.approx(1)
    for measure in ("shifted", "kl_aligned_base"):
        parts = both.xs(measure, level="measure")
        whole = (table["base_rank"] > 3).mean() if measure == "shifted" else table[measure].mean()
        assert np.average(parts["value"], weights=parts["tokens"]) == pytest.approx(whole)


@pytest.mark.parametrize("rows", [1, 6, 10**6])
def test_parts_of_any_size_give_the_same_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int):
    """So no more than a part is in memory."""
    files = ("thinking.parquet", "columns/thinking.csv")
    for folder, size in {"whole": 10**6, "parts": rows}.items():
        monkeypatch.setattr("superficial.shift.statistics.token_table.ROWS", size)
        made(tmp_path / folder, COUNTS)
    for name in files:
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("counts", [None, [0, 0, 0, 0]])
def test_without_thinking_the_answer_is_all(tmp_path: Path, counts: list[int] | None):
    found = made(tmp_path, counts)
    assert set(found["part"]) == {"answer"}
    whole = found[(found["kind"] == "all") & (found["measure"] == "shifted")]
    assert whole["value"].item() == pytest.approx(np.mean([rank > 3 for ranks in RANKS for rank in ranks]))


def test_the_table_shows_both_parts_and_says_where_nothing_thinks(tmp_path: Path):
    folder = tmp_path / "stats/d"
    made(folder / "deep/zero_shot", COUNTS)
    made(folder / "plain/zero_shot", None)
    pairs = [PairTitle(name=name, title=f"Pair {name}") for name in ("deep", "plain")]
    cfg = PairsTable(dataset="d", context="zero_shot", confidence=0.9, min_examples=1, pairs=pairs)
    out = [tmp_path / f"thinking.{form}" for form in ("csv", "md", "tex")]
    table_of_thinking.run(cfg, RUNTIME, results=tmp_path, out=out)
    written = out[1].read_text()
    assert "| Pair deep | thinking | all | 4 |" in written
    assert "| Pair plain | thinking |" not in written
    assert "No response thinks: Pair plain." in written
    few = cfg.model_copy(update={"min_examples": 3})
    assert "| Pair deep | thinking | all | 4 | too few |" in table_of_thinking.markdown(read_table(out[0]), few)
