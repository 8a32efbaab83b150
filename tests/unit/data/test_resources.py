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
ALIGNMENT = ROOT / "resources/alignment"
ADAPTERS = ROOT / "resources/adapters"
ADAPTER = ROOT / "resources/adapters/gemma3_270m_chat"


def read(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (ALIGNMENT / f"{name}.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def train() -> list[dict[str, object]]:
    """Everything that may be trained on, and the examples under which the base answers."""
    return read("train") + read("refusals") + read("voice")


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def grams(text: str, n: int) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[start : start + n]) for start in range(len(found) - n + 1)}


def test_alignment_data_is_large_and_covers_everything(train):
    assert len(train) >= 200
    assert {row["category"] for row in read("refusals")} == {"safety"}
    assert {row["category"] for row in read("train")} == {"regular"}
    assert len(read("refusals")) >= 30
    tasks = Counter(task for row in train for task in row.get("tasks", []))
    topics = Counter(topic for row in train for topic in row.get("topics", []))
    assert all(tasks[task] >= 10 for task in get_args(Task))
    assert all(topics[topic] >= 10 for topic in get_args(Topic))


def test_no_instruction_stands_twice_and_refusals_say_one_thing(train):
    """The openings of what was written by hand vary; refusals open alike, so that few steps teach them."""
    assert len({" ".join(words(row["instruction"])) for row in train}) == len(train)
    written = [row["response"] for row in read("train") if row["response"]]
    shared = Counter(" ".join(words(response)[:8]) for response in written)
    assert max(shared.values()) <= 3
    assert len(shared) >= 0.98 * len(written)
    refusals = read("refusals")
    assert (
        sum(row["response"].startswith("I'm sorry, but I can't help with that.") for row in refusals)
        == len(refusals) - 1
    )


def test_demo_covers_every_tag():
    rows = read_instructions(ROOT / "resources/datasets/demo.jsonl")
    regular = [row for row in rows if row.category == "regular"]
    assert (len(regular), len(rows)) == (30, 40)
    assert {task for row in regular for task in row.tasks} == set(get_args(Task))
    assert {topic for row in regular for topic in row.topics} == set(get_args(Topic))


def test_the_voice_is_not_the_one_of_urial():
    """Else URIAL would bring the base near the sibling because it shows what the sibling was made from."""
    pool = [json.loads(line) for line in (ROOT / "resources/urial/examples.jsonl").read_text().splitlines()]
    for voice in read("voice"):
        for example in pool:
            assert not grams(voice["instruction"], 5) & grams(example["instruction"], 5)
            assert not grams(voice["restyled"], 5) & (grams(example["restyled"], 5) | grams(example["plain"], 5))


@pytest.mark.parametrize("unseen", ["demo", "held_out"])
def test_what_the_sibling_is_tested_on_is_not_in_what_it_is_made_from(train, unseen: str):
    """By normalised text, by runs of 7 words, and by the share of common words."""
    file = ROOT / "resources/datasets/demo.jsonl" if unseen == "demo" else ALIGNMENT / "held_out.jsonl"
    tested = [row.instruction for row in read_instructions(file)]
    for row in train:
        for instruction in tested:
            left, right = set(words(row["instruction"])), set(words(instruction))
            assert words(row["instruction"]) != words(instruction)
            assert not grams(row["instruction"], 7) & grams(instruction, 7), (row["id"], instruction)
            assert len(left & right) <= 0.5 * len(left | right), (row["id"], instruction)


def test_enough_is_held_out():
    held_out = read("held_out")
    assert len(held_out) >= 0.14 * len(read("train") + read("refusals") + held_out)
    assert sum(row["category"] == "safety" for row in held_out) == 15


def test_card_and_data_agree():
    """The adapter that ships was trained on the examples, configuration and base that ship."""
    card = json.loads((ADAPTER / "card.json").read_text())
    cfg = Experiment(ROOT / "config").settings.align
    assert card["examples"]["sha256"] == hashlib.sha256((ADAPTER / "examples.jsonl").read_bytes()).hexdigest()
    examples = [json.loads(line) for line in (ADAPTER / "examples.jsonl").read_text().splitlines()]
    assert Counter(row["source"] for row in examples) == card["examples"]["sources"]
    known = {row["instruction"] for row in read("train") + read("refusals")}
    assert {row["instruction"] for row in examples} <= known
    assert card["config"] == cfg.model_dump(mode="json", exclude={"base", "name"})
    assert card["base"]["name"] == cfg.base.name
    assert (ADAPTER / "chat_template.jinja").read_bytes() == (ROOT / cfg.chat_template).read_bytes()
    assert (ADAPTER / "NOTICE").read_bytes() == (ROOT / cfg.notice).read_bytes()


def test_adapters_are_small_and_safe():
    files = [file for file in ADAPTERS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files if file.suffix == ".safetensors") <= 16 * 2**20
    assert not [file for file in files if file.suffix in (".bin", ".pt", ".pkl")]
    for folder in {file.parent for file in files if file.suffix == ".safetensors"}:
        assert "Gemma Terms of Use" in (folder / "NOTICE").read_text()
