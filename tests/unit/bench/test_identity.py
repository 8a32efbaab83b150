"""Where two engines' answers part, and how near the tie was."""

import math
from pathlib import Path

import torch
from support.reference import llama, loaded, prompts

from superficial.bench.identity import differences, served_engines
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.engine import LocalEngine
from superficial.prompts.builder import Prompt

ROOT = Path(__file__).resolve().parents[3]


def test_a_difference_is_named_by_its_token_and_its_tie(tmp_path: Path) -> None:
    model, greedy = loaded(llama, [1]), GreedyDecoding(8, 1.2)
    asked = {f"i{index}": Prompt("", ids, []) for index, ids in enumerate(prompts()[:3])}
    here = LocalEngine(model, greedy, 4, tmp_path).answer(asked)
    assert differences(model, greedy, asked, here, here) == {}
    ours = here["i1"].token_ids
    second = next(token for token in range(5, 300) if token != ours[4])
    there = here | {
        "i1": Answer([*ours[:4], second, *ours[5:]], "", "", None),
        "i2": Answer(here["i2"].token_ids[:3], "", "", None),
    }
    found = differences(model, greedy, asked, here, there)
    assert {key: one.at for key, one in found.items()} == {"i1": 4, "i2": 3}
    assert found["i2"].tie == math.inf
    read = asked["i1"].ids + ours[:4]
    with torch.inference_mode():
        logits = model.model(torch.tensor([read])).logits[0, -1]
    told = [
        float(logits[token]) * (1 if token not in read else 1.2 if logits[token] < 0 else 1 / 1.2)
        for token in (ours[4], second)
    ]
    assert math.isclose(found["i1"].tie, (told[0] - told[1]) / max(1, abs(told[0])), rel_tol=1e-3)
    assert found["i1"].tie > 0


def test_vllm_is_the_engine_of_the_configuration(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    engines = served_engines()
    assert "vllm.entrypoints" in engines["vllm"].command
    assert engines["transformers serve"].penalty_field == "frequency_penalty"
