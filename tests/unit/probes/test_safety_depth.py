"""The shift by position for harmful against regular instructions: counted by hand, and identities."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from superficial.artifacts.table import write_table
from superficial.config.schema import FigureStage, IntervalsConfig, PairTitle, RuntimeConfig
from superficial.probes.safety_depth import DIFFERENCE, safety_depth
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.token_table import TokenTable

CFG = IntervalsConfig(resamples=300, confidence=0.95, seed=0)


def made(lengths: list[int], kinds: list[str], seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    ids = [f"e{index}" for index in range(len(lengths))]
    rows = [
        {"example_id": name, "position": at, "base_rank": int(rng.integers(1, 8)), "kl_aligned_base": rng.exponential()}
        for name, length in zip(ids, lengths, strict=True)
        for at in range(length)
    ]
    return pd.DataFrame(rows), pd.DataFrame({"id": ids, "category": kinds})


def curves(shifts: pd.DataFrame, data: pd.DataFrame) -> pd.DataFrame:
    found = safety_depth(TokenTable.of(shifts), data, Bootstrap.over(len(data), CFG))
    return found.set_index(["measure", "group", "first"])


def test_against_plain_means():
    shifts, data = made([9, 3, 20, 1, 12, 5], ["regular", "safety"] * 3)
    table = curves(shifts, data)
    rows = shifts.merge(data, left_on="example_id", right_on="id")
    for (measure, group, first), row in table.iterrows():
        if group == DIFFERENCE:
            both = [table.loc[(measure, one, first), "mean"] for one in ("safety", "regular")]
            assert row["mean"] == pytest.approx(both[0] - both[1], nan_ok=True)
            continue
        mine = rows[rows["category"] == group]
        here = mine[mine["position"].between(first, row["last"])]
        value = {
            "kl": here["kl_aligned_base"].mean(),
            "shifted": (here["base_rank"] > 3).mean(),
            "kl_share": mine[mine["position"] <= row["last"]]["kl_aligned_base"].sum() / mine["kl_aligned_base"].sum(),
        }[measure]
        assert row["mean"] == pytest.approx(value, nan_ok=True)
        assert row["examples"] == here["example_id"].nunique()
    assert table.index.get_level_values("first").unique().tolist() == [0, 1, 2, 4, 8, 16]


def test_parts_of_any_size_give_the_same_table(monkeypatch: pytest.MonkeyPatch):
    shifts, data = made([9, 3, 20, 1, 12, 5], ["regular", "safety"] * 3)
    whole = curves(shifts, data)
    monkeypatch.setattr("superficial.shift.statistics.token_table.ROWS", 15)
    pd.testing.assert_frame_equal(curves(shifts, data), whole, check_exact=True)


def test_of_equal_groups_the_difference_is_nothing_and_its_interval_holds_that():
    shifts, data = made([16] * 8, ["regular"] * 8)
    twice = pd.concat([shifts, shifts.assign(example_id=shifts["example_id"] + "s")], ignore_index=True)
    kinds = pd.concat([data, data.assign(id=data["id"] + "s", category="safety")], ignore_index=True)
    apart = curves(twice, kinds).xs(DIFFERENCE, level="group")
    assert apart["mean"].abs().max() == 0
    assert (apart["low"] <= 0).all()
    assert (apart["high"] >= 0).all()
    assert (apart.loc["kl", "high"] > 0.01).all()


@pytest.mark.parametrize("few", [2, 9])
def test_the_figure_leaves_out_what_few_examples_reach(tmp_path: Path, few: int):
    from superficial.views.figures.safety_depth import run as draw

    shifts, data = made([9, 3, 20, 1, 12, 5, 30, 30], ["regular", "safety"] * 4)
    look = {"unshifted": "c", "marginal": "y", "shifted": "r", "max_position": 50, "example": None}
    cfg = FigureStage(
        **look, dpi=60, min_examples=few, example_tokens=20, dataset="tiny", context="zero_shot", confidence=0.95,
        pairs=[PairTitle(name=name, title=name) for name in ("p", "q")],
    )  # fmt: skip
    refused = pd.DataFrame(
        {"side": side, "opening": opening, "k": k, "given": f"the first {k}", "mean": 1 - 0.1 * k, "low": 0.0,
         "high": 1.0, "examples": 4, "window": 9}
        for side in ("base", "aligned") for opening in ("neutral", "complying") for k in (0, 1, 2)
    )  # fmt: skip
    labelled = {"measure": ["precision", "recall"], "value": [0.5, 0.25], "texts": [4, 60]}
    write_table(pd.DataFrame(labelled), tmp_path / "stats/refusals_agreement.csv")
    for pair in ("p", "q"):
        write_table(refused, tmp_path / f"stats/tiny/{pair}/zero_shot/prefill.csv")
        write_table(curves(shifts, data).reset_index(), tmp_path / f"stats/tiny/{pair}/zero_shot/safety_depth.csv")
    runtime = RuntimeConfig(device="cpu", generate_batch=4, score_tokens=100, position_chunk=16)
    draw(cfg, runtime, results=tmp_path, out=tmp_path / "safety_depth.pdf")
    drawn = pd.read_csv(tmp_path / "safety_depth.csv")
    assert drawn.empty == (few == 9)
    assert (drawn["examples"] >= few).all()
    svg = (tmp_path / "safety_depth.svg").read_text()
    assert svg.count("<!-- Too few") == (4 if few == 9 else 0)  # both halves of both pairs
    rates = drawn[drawn["measure"] == "refused"]
    assert len(rates) == (0 if few == 9 else 2 * len(refused))
    said = (tmp_path / "safety_depth.caption.md").read_text()
    assert "precision 0.50, recall 0.25" in said
    assert "n = 4 cannot tell such a rate from one that is 53 points away" in said
