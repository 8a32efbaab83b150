"""Answers in their store: keyed by content, decoded once, there after a kill; near ties are named."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from support.reference import alone, gemma, llama, loaded, prompts

from superficial.artifacts.store import Store
from superficial.config.schema import GenerateStage, LocalSource, ModelConfig, Runtime
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.requests import answer_requests, generation_request, open_store
from superficial.inference.generate.stage import run
from superficial.models.stage import run as fetch


def test_ties_are_counted_and_named(tmp_path: Path):
    """Two tokens with one row of the head are tied wherever one of them is best."""
    model = loaded(llama, [1])
    asked = prompts()
    twin = alone(model, asked[2], 3)[1]
    with torch.no_grad():
        weight = model.model.lm_head.weight
        weight[3] = weight[twin]
    store = open_store(model, GreedyDecoding(3), tmp_path)
    requests = [generation_request(model, GreedyDecoding(3), f"e{index}", one) for index, one in enumerate(asked)]
    for _ in range(2):  # the second time from the store
        found = answer_requests(model, GreedyDecoding(3), requests, 4, store)
        assert found.facts["near_ties"]["e2"] == found.answers[2].near_ties > 0
        assert set(found.facts["near_ties"]) == {f"e{i}" for i, one in enumerate(found.answers) if one.near_ties}
    assert found.facts["forward_passes"] == found.facts["new_tokens"] == 0


def test_whatever_decides_an_answer_is_in_its_key():
    model = loaded(llama, [1])
    variants = [
        GreedyDecoding(5),
        GreedyDecoding(6),
        GreedyDecoding(5, 1.1),
        GreedyDecoding(5, 1.1, "fence"),
        GreedyDecoding(5, 1.0, "fence"),
    ]
    keys = [generation_request(model, one, "a", [1, 2]).key for one in variants]
    keys += [generation_request(model, variants[0], "a", [1, 2, 3]).key]
    keys += [generation_request(loaded(gemma, [1]), variants[0], "a", [1, 2]).key]
    assert len(set(keys)) == len(keys)
    assert generation_request(model, variants[0], "another name", [1, 2]).key == keys[0]


def test_answers_in_the_store_are_not_decoded_again(tmp_path: Path):
    model, greedy = loaded(llama, [1]), GreedyDecoding(4)
    requests = [generation_request(model, greedy, str(index), one) for index, one in enumerate(prompts())]
    first = answer_requests(model, greedy, requests[:3], 4, open_store(model, greedy, tmp_path))
    rest = answer_requests(model, greedy, requests, 4, open_store(model, greedy, tmp_path))
    assert rest.answers[:3] == first.answers
    assert (first.facts["new_tokens"], rest.facts["new_tokens"]) == (3 * 4, 5 * 4)


def test_equal_prompts_are_answered_once(tmp_path: Path):
    model, greedy = loaded(llama, [1]), GreedyDecoding(4)
    requests = [generation_request(model, greedy, name, prompts()[0]) for name in "abc"]
    found = answer_requests(model, greedy, requests, 4, open_store(model, greedy, tmp_path))
    assert found.facts["new_tokens"] == 4
    assert [one.token_ids for one in found.answers] == [alone(model, prompts()[0], 4)] * 3


class Killed(BaseException):
    """Nothing may catch it."""


TEMPLATE = "# Query:\n```{instruction}```\n\n# Answer:\n```\n"
PROMPT = {"kind": "completion", "template": "Here is a list of the things that you can do.\n" + TEMPLATE}


@pytest.mark.parametrize("stored", [1, 4, 9])
def test_a_killed_stage_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, tiny_models: Path, stored: int, monkeypatch: pytest.MonkeyPatch
):
    runtime = Runtime(device="cpu", generate_batch=4, score_tokens=100, position_chunk=16)
    source = LocalSource(kind="local", path=str(tiny_models / "base"))
    model = tmp_path / "models/base/manifest.json"
    fetch(ModelConfig(name="base", title="t", licence="none", source=source), runtime, out=model)
    data = tmp_path / "data.parquet"
    texts = [f"plant {'in the dark room ' * index}{index}?" for index in range(10)]
    pd.DataFrame({"id": [f"e{n}" for n in range(10)], "instruction": texts, "turns": [[]] * 10}).to_parquet(data)
    decoding = {"repetition_penalty": 1.1, "stop": "fence"}
    cfg = GenerateStage.model_validate({"max_new_tokens": 12, "prompt": PROMPT, "decoding": decoding})

    def made(folder: str) -> tuple[bytes, dict[str, Any]]:
        out = tmp_path / folder / "responses/d/base/m.parquet"
        run(cfg, runtime, model=model, data=data, out=out)
        return out.read_bytes(), json.loads(Path(f"{out}.meta.json").read_text())

    undisturbed, facts = made("one")
    calls: list[int] = []
    put = Store.put

    def killed(self: Store, values: dict[str, Any]) -> None:
        put(self, values)
        calls.append(len(values))
        if sum(calls) == stored:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", killed)
        with pytest.raises(Killed):
            made("two")
    again, left = made("two")
    assert again == undisturbed
    table = pd.read_parquet(tmp_path / "two/responses/d/base/m.parquet")
    columns = [
        "id",
        "prompt_ids",
        "prompt_sha256",
        "token_ids",
        "text",
        "finish_reason",
        "neighbours",
        "earlier_answers",
        "near_ties",
    ]
    assert list(table) == columns
    total = table["token_ids"].map(len).sum()
    assert facts["new_tokens"] == total
    assert left["new_tokens"] < total
    assert facts["prefix_tokens_prefilled"] >= 16
    assert [len(one) for one in table["neighbours"]] == [0] * 10
