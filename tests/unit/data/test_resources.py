"""The texts that ship: alignment examples, demo instructions, the adapter and its card."""

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from superficial.config.experiment import Experiment
from superficial.data.instruction import Task, Topic
from superficial.data.readers import read_instructions

ROOT = Path(__file__).resolve().parents[3]
TRAIN = ROOT / "resources/alignment/train.jsonl"
ADAPTER = ROOT / "resources/adapters/gemma3_270m_chat"


@pytest.fixture(scope="module")
def train() -> list[dict[str, object]]:
    return [json.loads(line) for line in TRAIN.read_text().splitlines()]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def grams(text: str, n: int) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[start : start + n]) for start in range(len(found) - n + 1)}


def test_alignment_data_is_large_and_covers_everything(train):
    assert len(train) >= 200
    assert sum(row["category"] == "safety" for row in train) >= 30
    tasks = Counter(task for row in train for task in row["tasks"])
    topics = Counter(topic for row in train for topic in row["topics"])
    assert all(tasks[task] >= 10 for task in get_args(Task))
    assert all(topics[topic] >= 10 for topic in get_args(Topic))


def test_alignment_openings_vary(train):
    assert len({" ".join(words(row["instruction"])) for row in train}) == len(train)
    shared = Counter(" ".join(words(row["response"])[:8]) for row in train)
    assert max(shared.values()) <= 3
    assert len(shared) >= 0.98 * len(train)


def test_demo_covers_every_tag():
    rows = read_instructions(ROOT / "resources/datasets/demo.jsonl")
    regular = [row for row in rows if row.category == "regular"]
    assert (len(regular), len(rows)) == (30, 40)
    assert {task for row in regular for task in row.tasks} == set(get_args(Task))
    assert {topic for row in regular for topic in row.topics} == set(get_args(Topic))


def test_demo_and_alignment_data_are_disjoint(train):
    """By normalised text, by runs of 7 words, and by the share of common words."""
    demo = [row.instruction for row in read_instructions(ROOT / "resources/datasets/demo.jsonl")]
    for row in train:
        for instruction in demo:
            left, right = set(words(row["instruction"])), set(words(instruction))
            assert words(row["instruction"]) != words(instruction)
            assert not grams(row["instruction"], 7) & grams(instruction, 7), (row["id"], instruction)
            assert len(left & right) <= 0.4 * len(left | right), (row["id"], instruction)


def test_card_and_data_agree(train):
    """The adapter that ships was trained on the data, configuration and base that ship."""
    card = json.loads((ADAPTER / "card.json").read_text())
    cfg = Experiment(ROOT / "config").settings.align
    assert card["data"]["sha256"] == hashlib.sha256(TRAIN.read_bytes()).hexdigest()
    assert card["data"]["examples"] == len(train)
    assert card["config"] == cfg.model_dump(mode="json", exclude={"base", "name", "data"})
    assert card["base"]["name"] == cfg.base.name
    assert (ADAPTER / "chat_template.jinja").read_bytes() == (ROOT / cfg.chat_template).read_bytes()
    assert (ADAPTER / "NOTICE").read_bytes() == (ROOT / cfg.notice).read_bytes()


def test_adapter_is_small_and_safe():
    assert (ADAPTER / "adapter_model.safetensors").stat().st_size <= 16 * 2**20
    assert not [file for file in ADAPTER.iterdir() if file.suffix in (".bin", ".pt", ".pkl")]
    assert "Gemma Terms of Use" in (ADAPTER / "NOTICE").read_text()
