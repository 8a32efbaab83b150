"""What the sibling is trained on: the base's own answers by documented rules, and refusals written by hand."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from superficial.align.examples import run
from superficial.config.schema import AlignExamplesStage, PromptConfig, RuntimeConfig

GOOD = "Bees look at the sun and remember trees and houses on their way, so they come home with their nectar."
OPENING = "Of course!"
RUNTIME = RuntimeConfig(device="cpu", generate_batch=1, score_tokens=1, position_chunk=1)
RULES = {"kept": 2, "min_words": 12, "max_tokens": 50, "repeated_words": 6, "common_words": 1}


@pytest.fixture
def made(tmp_path: Path):
    """Runs the stage on answers {prompt: (text, finish reason)} to one instruction; returns examples and counts."""

    def make(answers: dict[str, tuple[str, str]], **rules: int) -> tuple[list[dict[str, Any]], dict[str, int]]:
        prompts = {
            name: PromptConfig(kind="completion", template="```{instruction}```\n```\n" + (OPENING if at else ""))
            for at, name in enumerate(answers)
        }
        files = []
        for name, (text, reason) in answers.items():
            files.append(tmp_path / f"{name}.parquet")
            ids = [hash(word) % 1000 for word in text.split()]
            row = {"id": "q", "token_ids": ids, "text": text, "finish_reason": reason}
            pd.DataFrame([row]).to_parquet(files[-1])
        data = pd.DataFrame([{"id": "q", "instruction": "How do bees find their way home?"}])
        data.to_parquet(tmp_path / "data.parquet")
        (tmp_path / "refusals.jsonl").write_text(
            json.dumps({"id": "r", "instruction": "Steal?", "response": "No. Why?"})
        )
        (tmp_path / "phrases.txt").write_text("cannot help\n")
        cfg = AlignExamplesStage(prompts=prompts, **(RULES | rules))
        names = {"data": "data.parquet", "refusals": "refusals.jsonl", "phrases": "phrases.txt"}
        out = tmp_path / "examples.jsonl"
        paths = {key: tmp_path / name for key, name in names.items()}
        run(cfg, RUNTIME, responses=files[::-1], out=out, **paths)  # in whatever order
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        facts = json.loads(Path(f"{out}.meta.json").read_text())
        refusal = {
            "id": "r",
            "instruction": "Steal?",
            "response": "No. Why?",
            "given": "No. Why?",
            "ends": True,
            "source": "hand-written",
        }
        assert lines[-1] == refusal
        assert facts["examples"] == {one["source"]: 1 for one in lines}
        return lines[:-1], facts["left_out"]

    return make


def test_answers_stay_with_their_opening_and_the_prompt_they_came_from(made):
    lines, left_out = made({"plain": (GOOD, "stop"), "open": (f" {GOOD}\n", "eos")})
    assert [(line["source"], line["response"]) for line in lines] == [("plain", GOOD), ("open", f"{OPENING} {GOOD}")]
    assert [line["given"] for line in lines] == ["", OPENING]
    assert all(line["ends"] for line in lines)
    assert left_out == {}


def test_where_no_answer_stays_the_opening_stays_alone(made):
    (line,), left_out = made({"plain": ("By the sun.", "stop"), "open": (" By the sun.", "stop")})
    assert (line["response"], line["given"], line["ends"]) == (OPENING, OPENING, False)
    assert left_out == {"short": 2}


@pytest.mark.parametrize(
    ("reason", "text", "finish"),
    [
        ("runs_on", GOOD, "length"),
        ("short", "By the sun.", "stop"),
        ("repeats", f"{GOOD} Yes, bees look at the sun and remember.", "stop"),
        ("long", GOOD + " ".join(f" word{at}" for at in range(40)), "stop"),
        ("declines", f"{GOOD} However, I cannot help you.", "stop"),
        ("echoes", f"How do bees find their way home? {GOOD}", "stop"),
        ("invents", f"{GOOD}\nQuestion: What do ants do?", "stop"),
        (
            "off_topic",
            "The Roman army marched on straight roads, and its soldiers had to carry all of their food.",
            "stop",
        ),
        ("website", GOOD + " To learn more about bees, visit our website.", "stop"),
        ("loops", " ".join(f"w{at % 9}" for at in range(60)), "stop"),
    ],
)
def test_a_bad_answer_is_left_out_and_counted(made, reason: str, text: str, finish: str):
    assert made({"plain": (text, finish)}) == ([], {reason: 1})


def test_at_most_so_many_answers_of_an_instruction_are_kept_and_each_once(made):
    other = GOOD.replace("Bees", "They")
    lines, left_out = made({"plain": (GOOD, "stop"), "open": (f" {GOOD}", "stop"), "more": (f" {other}", "stop")})
    assert [line["source"] for line in lines] == ["plain", "open"]
    assert left_out == {"more than are kept": 1}
    lines, left_out = made(
        {"plain": (GOOD, "stop"), "open": (f" {GOOD}", "stop"), "twin": (f" {GOOD}", "stop")}, kept=3
    )
    assert [line["source"] for line in lines] == ["plain", "open"]
    assert left_out == {"same": 1}
