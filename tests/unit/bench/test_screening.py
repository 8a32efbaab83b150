"""The bench of logits in bfloat16 compares two ways that give the same answers."""

from pathlib import Path

import pytest
from support.reference import llama, loaded, prompts

from superficial.bench import screening
from superficial.bench.__main__ import main
from superficial.bench.table import Table
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.choose import chosen_among_likely


def test_one_of_the_two_ways_never_sees_bfloat16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    monkeypatch.setattr(
        "superficial.inference.generate.choose.chosen_among_likely",
        lambda *asked: rows.append(len(asked[0])) or chosen_among_likely(*asked),
    )
    (tmp_path / "manifest.json").touch()
    monkeypatch.setattr(screening, "BASE", tmp_path / "manifest.json")
    monkeypatch.setattr(screening, "load_model", lambda *_: loaded(llama, [1]))
    monkeypatch.setattr(screening, "read_prompts", lambda _: prompts())
    monkeypatch.setattr(screening, "GREEDY", GreedyDecoding(9, 1.1))
    for fast in ("superficial.models.screen.multiplies_fast", "superficial.bench.screening.multiplies_fast"):
        monkeypatch.setattr(fast, lambda: True)
    table, count = Table(), len(prompts())
    screening.main(table.of("screening"))
    assert (table.rows[-1]["measure"], table.rows[-1]["value"]) == ("equal answers", count)
    assert 0 < sum(rows) <= 8 * count  # nine tokens an answer, the first of them from reading the prompt


def test_a_processor_without_bfloat16_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["screening"]) == 2
    assert "make figures" in capsys.readouterr().err
    (tmp_path / "manifest.json").touch()
    monkeypatch.setattr(screening, "BASE", tmp_path / "manifest.json")
    monkeypatch.setattr(screening, "load_model", lambda *_: loaded(llama, [1]))
    monkeypatch.setattr(screening, "multiplies_fast", lambda: False)
    assert main(["screening"]) == 0
    assert "left out: no processor" in capsys.readouterr().out
