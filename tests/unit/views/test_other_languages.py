"""Responses that are not English: no number is shown by kind of token, and every view says why."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from superficial.artifacts.table import write_table
from superficial.config.schema import IntervalsConfig, LadderFigure, PairTitle
from superficial.config.schema.contexts import ContextsFigure, ContextsTable, ContextTitle
from superficial.config.schema.figure import PairsTable
from superficial.config.schema.ladder import Ladder, Rung
from superficial.probes.contexts.grouping import groupings
from superficial.probes.contexts.recovery import recovery
from superficial.probes.ladder.steps import ladder
from superficial.shift.columns import thinking
from superficial.shift.kinds.classify import KINDS
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.token_table import TokenTable
from superficial.views.figures import stage_ladder, urial_recovery
from superficial.views.notes.names import NO_KINDS, NOT_ENGLISH
from superficial.views.tables import thinking as table_of_thinking
from superficial.views.tables import urial_recovery as table_of_contexts

LENGTH, EXAMPLES = 20, 4
KINDS_OF = {  # of one response
    "chinese": ["content"] * 17 + ["punctuation"] * 2 + ["end"],
    "english": ["content"] * 6 + ["style"] * 4 + ["function"] * 7 + ["punctuation"] * 2 + ["end"],
}
PAIRS = [PairTitle(name=name, title=name) for name in KINDS_OF]
RUNGS = ("base", "early", "aligned")
CONTEXTS = [ContextTitle(name=name, title=name, examples=0) for name in ("zero_shot", "urial")]
LOOK = {
    "dpi": 72, "unshifted": "blue", "marginal": "orange", "shifted": "red", "max_position": 9, "min_examples": 2,
    "example_tokens": 20, "dataset": "d", "context": "zero_shot", "confidence": 0.95,
}  # fmt: skip
TABLE = {"dataset": "d", "context": "zero_shot", "confidence": 0.95, "min_examples": 2}
Drawn = Callable[[object], tuple[pd.DataFrame, str]]


def tokens(kinds: list[str], seed: int) -> TokenTable:
    size, chance = LENGTH * EXAMPLES, np.random.default_rng(seed)
    found = {
        "example_id": np.repeat([f"e{at}" for at in range(EXAMPLES)], LENGTH),
        "position": np.tile(np.arange(LENGTH, dtype=np.int32), EXAMPLES),
        "base_rank": chance.integers(1, 9, size), "kind": pd.Categorical(kinds * EXAMPLES, KINDS), "aligned_rank": 1,
        "thinking": np.tile(np.arange(LENGTH) < 4, EXAMPLES).astype(np.int8),
    }  # fmt: skip
    return TokenTable.of(pd.DataFrame(found | dict.fromkeys(thinking.DIVERGENCES, chance.exponential(size=size))))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The tables that figures by kind read, as their stages make them."""
    data = pd.DataFrame({"id": [f"e{at}" for at in range(EXAMPLES)], "category": "regular",
                         "tasks": [["x"]] * EXAMPLES, "topics": [["y"]] * EXAMPLES})  # fmt: skip
    bootstrap = Bootstrap.over(EXAMPLES, IntervalsConfig(resamples=100, confidence=0.95, seed=0))
    for name, kinds in KINDS_OF.items():
        base, other = tokens(kinds, 1), tokens(kinds, 2)
        groups = list(groupings(base, data))
        folder = tmp_path / "stats/d" / name / "zero_shot"
        (folder / "columns").mkdir(parents=True)
        write_table(recovery(("zero_shot", base), {"urial": other}, groups, bootstrap), folder / "recovery.csv")
        write_table(ladder(base, {"early": other}, groups, bootstrap), folder / "ladder.csv")
        found = thinking.statistics(base, bootstrap)
        write_table(found, folder / "columns/thinking.csv")
    return tmp_path


@pytest.fixture
def drawn(results: Path, monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """Draws a figure: its table and caption."""

    def draw(module: object, cfg: object) -> tuple[pd.DataFrame, str]:
        kept: list[tuple[pd.DataFrame, str]] = []
        monkeypatch.setattr(module, "save", lambda figure, *rest: kept.append((rest[0], " ".join(rest[-1]))))
        module.run(cfg, None, results=results, out=results / "out.pdf")
        return kept[0]

    return draw


def told_of(caption: str) -> dict[str, str]:
    """What a caption says of each pair."""
    parts = re.split(r"(chinese|english), n = ", caption)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def kinds_in(table: pd.DataFrame, pair: str) -> set[str]:
    return set(table["group"][(table["pair"] == pair) & (table["grouping"] == "kind")])


def test_what_prompts_recover_has_no_kinds(drawn: Drawn):
    table, told = drawn(urial_recovery, ContextsFigure(**LOOK, pairs=PAIRS, contexts=CONTEXTS))
    said = told_of(told)
    assert (NO_KINDS in said["chinese"], "Closed beyond content" in said["chinese"]) == (True, False)
    assert (NO_KINDS in said["english"], "Closed beyond content" in said["english"]) == (False, True)
    assert kinds_in(table, "chinese") == set()
    assert kinds_in(table, "english") == set(KINDS_OF["english"])


def test_stages_of_training_have_no_kinds(drawn: Drawn):
    rungs = [Rung(name=name, title=name) for name in RUNGS]
    ladders = [Ladder(pair=pair.name, rungs=rungs) for pair in PAIRS]
    table, told = drawn(stage_ladder, LadderFigure(**LOOK, pairs=PAIRS, ladders=ladders))
    assert {pair: NO_KINDS in said for pair, said in told_of(told).items()} == {"chinese": True, "english": False}
    assert kinds_in(table, "chinese") == set()


def test_the_table_of_prompts_says_so_in_its_cells(results: Path):
    out = [results / f"table.{form}" for form in ("csv", "md", "tex")]
    table_of_contexts.run(ContextsTable(**TABLE, pairs=PAIRS, contexts=CONTEXTS), None, results=results, out=out)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out[1].read_text().splitlines()]
    named = [row for row in rows if row and row[0] in KINDS_OF]
    assert len(named) == 2 * 3  # contexts, and the aligned model
    assert all((row[4:7] == [NOT_ENGLISH] * 3) == (row[0] == "chinese") for row in named)
    assert NO_KINDS in out[1].read_text()


def test_the_table_of_thinking_names_the_pair(results: Path):
    out = [results / f"thinking.{form}" for form in ("csv", "md", "tex")]
    table_of_thinking.run(PairsTable(**TABLE, pairs=PAIRS), None, results=results, out=out)
    written = out[1].read_text()
    assert f"chinese: {NO_KINDS}" in written
    assert {row.split(" | ")[2] for row in written.splitlines() if row.startswith("| chinese |")} == {"all"}
    assert "| english | answer | function |" in written
