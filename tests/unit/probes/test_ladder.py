"""The ladder of stages: what must hold of every one, and a case that can be done by hand."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from superficial.artifacts.errors import UserError
from superficial.config.schema import IntervalsConfig
from superficial.pipeline.run import Run
from superficial.probes.contexts.grouping import Grouping, groupings
from superficial.probes.contexts.recovery import TokenShifts
from superficial.probes.ladder.steps import ladder, settled
from superficial.shift.category import CATEGORIES
from superficial.shift.kinds.classify import KINDS
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.token_table import TokenTable

ROOT = Path(__file__).resolve().parents[3]
RANKS = np.array([1, 2, 9], np.int32)  # of the three categories
LENGTHS = (3, 40, 1, 22, 9)
TOKENS = sum(LENGTHS)
CFG = IntervalsConfig(resamples=200, confidence=0.95, seed=0)
IDS = [f"e{at}" for at in range(len(LENGTHS))]
DATA = pd.DataFrame({"id": IDS, "category": ["regular", "safety", "regular", "safety", "regular"],
                     "tasks": [["x"]] * 5, "topics": [["y"]] * 5})  # fmt: skip


@pytest.fixture
def table() -> TokenTable:
    position = np.concatenate([np.arange(length, dtype=np.int32) for length in LENGTHS])
    kind = pd.Categorical.from_codes(np.arange(TOKENS) % len(KINDS), KINDS)
    return TokenTable.of(pd.DataFrame({"example_id": np.repeat(IDS, LENGTHS), "position": position, "kind": kind}))


def groups(table: TokenTable) -> Iterator[Grouping]:
    return groupings(table, DATA)


def view(seed: int) -> TokenShifts:
    rng = np.random.default_rng(seed)
    return TokenShifts(rng.integers(0, 3, TOKENS).astype(np.int8), rng.exponential(size=TOKENS).astype(np.float32))


def aligned() -> TokenShifts:
    return TokenShifts(np.zeros(TOKENS, np.int8), np.zeros(TOKENS, np.float32))


def made(table: TokenTable, base: TokenShifts, *stages: TokenShifts) -> pd.DataFrame:
    """The ladder from `base` over the stages r1, r2, ... to the aligned model, which ranks all of its tokens first."""
    first = TokenTable.of(pd.DataFrame({"aligned_rank": np.ones(TOKENS, np.int32)}))
    rungs = {f"r{at}": with_view(table, one) for at, one in enumerate(stages, start=1)}
    reference = with_view(table, base).beside({"aligned_rank": first})
    found = ladder(reference, rungs, groups(table), Bootstrap.over(table.examples, CFG))
    return found.set_index(["grouping", "group", "rung", "measure"]).sort_index()


def with_view(table: TokenTable, view: TokenShifts) -> TokenTable:
    """The table with ranks of these categories, and with these divergences."""
    columns = TokenTable.of(pd.DataFrame({"base_rank": RANKS[view.category], "kl_aligned_base": view.kl}))
    return table.beside({"base_rank": columns, "kl_aligned_base": columns})


def test_flows_add_up_to_the_shares_on_both_sides_and_steps_to_everything(table: TokenTable):
    found = made(table, view(1), view(2), view(3))
    flows = found.xs("flow", level="measure").reset_index()
    for grouping, group in {key[:2] for key in found.index}:
        rows = found.loc[(grouping, group)]
        mine = flows[(flows["grouping"] == grouping) & (flows["group"] == group)]
        for rung, below in pairwise(("aligned", "r2", "r1", "base")):
            here = mine[mine["rung"] == rung]
            for category in CATEGORIES:
                before, after = (here.loc[here[side] == category, "value"].sum() for side in ("before", "after"))
                assert before == pytest.approx(rows.loc[(below, category), "value"].item())
                assert after == pytest.approx(rows.loc[(rung, category), "value"].item())
        for measure in ("kl_closed", "settled"):
            assert rows.xs(measure, level="measure")["value"].sum() == pytest.approx(1)


def test_a_stage_that_is_the_base_changes_nothing_and_one_that_is_the_aligned_model_leaves_nothing(table: TokenTable):
    base = view(4)
    found = made(table, base, base, aligned()).loc[("all", "all")]
    flows = found.xs("flow", level="measure")
    moved = flows[flows["before"] != flows["after"]]["value"]
    assert moved["r1"].eq(0).all()
    assert moved["aligned"].eq(0).all()
    for measure in ("kl_closed", "settled"):
        assert found.xs(measure, level="measure")["value"].loc[["r1", "r2", "aligned"]].tolist() == [0, 1, 0]
    assert found.loc[("r2", "kl"), ["value", "low", "high"]].tolist() == [0, 0, 0]


@pytest.mark.parametrize("rows", [1, 30, 10**6])
def test_parts_of_any_size_give_the_same_ladder(table: TokenTable, monkeypatch: pytest.MonkeyPatch, rows: int):
    """So no more than a part of each stage is in memory."""
    whole = made(table, view(1), view(2), view(3))
    monkeypatch.setattr("superficial.shift.statistics.token_table.ROWS", rows)
    pd.testing.assert_frame_equal(made(table, view(1), view(2), view(3)), whole)


def test_settled_counts_from_the_last_change_on():
    codes = ([2, 2, 2, 0], [0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1])
    views = [TokenShifts(np.array(code, np.int8), np.zeros(4, np.float32)) for code in codes]
    assert settled(views).tolist() == [1, 2, 3, 4]


def test_a_stage_is_compared_as_a_pair_of_its_own():
    run = Run(ROOT / "config", ["pair=olmo2_7b"])
    rung = run.with_stages["olmo2_7b.dpo"]
    assert (rung.base.name, rung.aligned.name) == ("olmo2_7b_dpo", "olmo2_7b_instruct")
    assert list(run.with_stages) == ["olmo2_7b", "olmo2_7b.sft", "olmo2_7b.dpo"]
    with pytest.raises(UserError, match="a stage cannot be named base"):
        Run(ROOT / "config", ["pair=olmo2_7b", "+model@pair.stages.base=olmo2_7b_sft"])


def test_a_stage_is_locked_to_its_commit(tmp_path: Path):
    folder = tmp_path / "config"
    folder.mkdir()
    for file in (ROOT / "config").rglob("*.yaml"):
        (folder / file.relative_to(ROOT / "config")).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.relative_to(ROOT / "config")).write_bytes(file.read_bytes())
    commit = "a" * 40
    (folder / "lock.yaml").write_text(f"models:\n  allenai/OLMo-2-1124-7B-DPO:\n    main: {commit}\ndatasets: {{}}\n")
    run = Run(folder, ["pair=olmo2_7b"])
    assert commit in run.slice("model", "olmo2_7b_dpo")
    assert commit not in run.slice("model", "olmo2_7b_sft")
