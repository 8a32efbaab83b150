"""Shards: whoever does which part of a stage's work, the artifact is the same to the bit."""

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from support.local_judge import local_judge
from transformers import AutoModelForCausalLM

from superficial.artifacts.shard import Shard
from superficial.artifacts.store import Store
from superficial.config.schema import (
    GenerateStage,
    LocalSource,
    ModelConfig,
    Nothing,
    PromptConfig,
    Runtime,
    ScoreStage,
)
from superficial.config.schema.judge import JudgeStage
from superficial.inference.generate import stage as generate
from superficial.inference.shared_prefix import WORTH
from superficial.inference.teacher_forcing import TeacherForcing
from superficial.judging.judges import stage as judge
from superficial.models.stage import run as fetch
from superficial.shift import score
from superficial.shift.pair.stage import run as pair

RUNTIME = Runtime(device="cpu", generate_batch=2, score_tokens=150, position_chunk=16)
PROMPT = {
    "kind": "completion",
    "template": "Here is a list of the things.\n# Query:\n```{instruction}```\n\n# Answer:\n",
    "closing": "\n\n",
}
GENERATE = GenerateStage.model_validate({"max_new_tokens": 8, "prompt": PROMPT, "decoding": {}})
SCORE = ScoreStage(context=PromptConfig.model_validate(PROMPT))
JUDGE = JudgeStage(judge=local_judge(), system="base.m")
SIZE = 9


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> dict[str, Path]:
    """Models, their pair, and instructions of which one has two turns."""
    folder = tmp_path_factory.mktemp("inputs")
    files = {name: folder / f"models/{name}/manifest.json" for name in ("base", "aligned", "judge")}
    for name, out in files.items():
        source = LocalSource(kind="local", path=str(tiny_models / name))
        fetch(ModelConfig(name=name, title="t", licence="none", source=source), RUNTIME, out=out)
    pair(Nothing(), RUNTIME, base=files["base"], aligned=files["aligned"], out=folder / "pair.json")
    texts = [f"plant {'in the dark room ' * (index % 4)}{index}?" for index in range(SIZE)]
    table = pd.DataFrame({"id": [f"e{index}" for index in range(SIZE)], "instruction": texts, "turns": [[]] * SIZE})
    table["turns"] = [["And?", "Then?"] if index == 4 else [] for index in range(SIZE)]
    table["category"] = ["safety" if index % 3 == 2 else "regular" for index in range(SIZE)]
    table.to_parquet(folder / "data.parquet")
    return files | {"pair": folder / "pair.json", "data": folder / "data.parquet"}


@pytest.fixture(scope="module")
def whole(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every artifact, made by its stage alone."""
    folder = tmp_path_factory.mktemp("whole")
    found: dict[str, Path] = {}
    for stage, (run, _, out) in work(inputs, folder, found).items():
        run()
        found[stage] = out
    return found


def work(inputs: dict[str, Path], folder: Path, made: dict[str, Path]) -> dict[str, Any]:
    """By stage: make the artifact; do a shard of its work; where it is. Later stages read what `made` holds."""
    asked = {"data": inputs["data"], "model": inputs["base"]}

    def calls(module: Any, cfg: Any, out: str, needs: bool, **files: Path) -> tuple[Callable[..., None], ...]:
        given = lambda: files | ({"responses": made["generate"]} if needs else {}) | {"out": folder / out}  # noqa: E731
        return (
            lambda: module.run(cfg, RUNTIME, **given()),
            lambda shard: module.share(cfg, RUNTIME, shard, **given()),
            folder / out,
        )

    return {
        "generate": calls(generate, GENERATE, "responses/d/base/m.parquet", False, **asked),
        "score": calls(score, SCORE, "scores/d/p/base.m.safetensors", True, **asked, pair=inputs["pair"]),
        "judge": calls(
            judge, JUDGE, "judgments/d/tiny/base/m.parquet", True, data=inputs["data"], model=inputs["judge"]
        ),
    }


@pytest.mark.parametrize("shards", [2, 3, 40])
@pytest.mark.parametrize("stage", ["generate", "score", "judge"])
def test_any_number_of_shards_gives_the_same_bytes(
    inputs: dict[str, Path], whole: dict[str, Path], tmp_path: Path, stage: str, shards: int,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    run, share, out = work(inputs, tmp_path, whole)[stage]
    for index in range(shards, 0, -1):  # in another order than the whole would take
        share(Shard(index, shards))
        assert not out.exists()

    def unread(*_: Any, **__: Any) -> None:
        raise AssertionError("everything is there, and the weights are read")

    if stage != "generate":  # the second turn of a dialogue is left to the stage
        monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", unread)
    run()
    assert out.read_bytes() == whole[stage].read_bytes()


def test_a_shard_does_its_part_alone(inputs: dict[str, Path], whole: dict[str, Path], tmp_path: Path):
    """Nine first turns are five batches of at most two, of which three shards get two, two and one."""
    counts = []
    for index in (1, 2, 3):
        work(inputs, tmp_path / str(index), whole)["generate"][1](Shard(index, 3))
        (store,) = (tmp_path / str(index) / ".responses").glob("*.jsonl")
        counts.append(len([line for line in store.read_text().splitlines() if line]))
    assert counts == [4, 3, 2]


class Killed(BaseException):
    """Nothing may catch it."""


def test_a_killed_scoring_goes_on_where_it_was(
    inputs: dict[str, Path], whole: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run, _, out = work(inputs, tmp_path, whole)["score"]
    batch, passes = TeacherForcing._batch, []

    def counted(*arguments: Any) -> Any:
        if len(passes) == 2:
            raise Killed
        passes.append(1)
        return batch(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(TeacherForcing, "_batch", counted)
        with pytest.raises(Killed):
            run()
    assert len(list(tmp_path.glob(".states/*/*.safetensors"))) == 2
    run()
    assert out.read_bytes() == whole["score"].read_bytes()
    done, undisturbed = facts(out), facts(whole["score"])
    assert 0 < done["forward_passes"] == undisturbed["forward_passes"] - 2
    run()
    assert facts(out)["forward_passes"] == 0


def test_a_grown_scoring_feeds_the_new_responses_alone(inputs: dict[str, Path], whole: dict[str, Path], tmp_path: Path):
    """Five responses, then all nine: the same states, but for the rounding of other batches."""
    few = pd.read_parquet(whole["generate"]).head(5)
    few.to_parquet(tmp_path / "few.parquet")
    work(inputs, tmp_path, {"generate": tmp_path / "few.parquet"})["score"][0]()
    run, _, out = work(inputs, tmp_path, whole)["score"]
    before = facts(out)
    run()
    # What the contexts share is read by both runs, and everything else by one of them.
    again = before["fed_tokens"] + facts(out)["fed_tokens"] - facts(whole["score"])["fed_tokens"]
    assert WORTH <= again < min(map(len, pd.read_parquet(whole["generate"])["prompt_ids"]))
    lengths = pd.read_parquet(whole["generate"])["token_ids"].map(len)
    states, all_at_once = (load_file(file)["states"] for file in (out, whole["score"]))
    assert len(states) == lengths.sum()
    torch.testing.assert_close(states, all_at_once, atol=1e-5, rtol=1e-4)


def facts(out: Path) -> dict[str, Any]:
    return dict(json.loads(out.with_name(f"{out.name}.meta.json").read_text()))


def _fill(path: Path, writer: int) -> None:
    store = Store(path)
    for number in range(20):
        store.put({f"{writer}-{number}": "x" * 50_000})


def test_processes_that_write_one_store_lose_nothing(tmp_path: Path):
    """Lines far longer than a buffer, four writers at a time."""
    path = tmp_path / "store.jsonl"
    spawn = multiprocessing.get_context("fork")
    writers = [spawn.Process(target=_fill, args=(path, writer)) for writer in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    store = Store(path)
    assert all(store[f"{writer}-{number}"] == "x" * 50_000 for writer in range(4) for number in range(20))
    assert all(line == "" or line.endswith("}") for line in path.read_text().split("\n"))
