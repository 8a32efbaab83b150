"""The bench of refilled batches compares the same answers, and gives both ways the same share of the machine."""

from pathlib import Path

import pytest
from support.reference import llama, loaded, prompts

from superficial.bench import refilling
from superficial.bench.__main__ import main
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.decode import Decoder


def test_whole_batches_give_the_answers_of_refilled_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refilling, "BATCH", 3)
    model = loaded(llama, list(range(1, 9)))
    fixed, refilled = (Decoder(model, GreedyDecoding(15), 3) for _ in range(2))
    ticks = iter(range(10_000))
    works = {"a": refilling.one_after_the_other(fixed, prompts()), "b": refilled.answers(prompts())}
    found, seconds = refilling.take_turns(works, lambda: float(next(ticks)))
    assert found["a"] == found["b"]
    assert sorted(found["a"]) == list(range(len(prompts())))
    assert seconds == {"a": len(prompts()) + 1, "b": len(prompts()) + 1}  # a tick each, and one to see the end
    assert refilled.work.forward_passes < fixed.work.forward_passes


def test_without_the_model_it_says_what_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["refilling"]) == 2
    assert "make figures" in capsys.readouterr().err
