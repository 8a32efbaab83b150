"""What the words of `ask` mean, and what is told meanwhile."""

import json
from pathlib import Path

import pytest

from superficial.artifacts.errors import UserError
from superficial.pipeline.ask.command import Asked
from superficial.pipeline.ask.question import dataset_of, write_questions
from superficial.pipeline.ask.workflow import Steps, why


def test_questions_overrides_and_options_come_in_any_order():
    asked = Asked.read(["--open", "pair=custom", "Why?", "--compare=urial_k3", "x = 1, what is 2x?", "base=./a"])
    assert asked == Asked(["Why?", "x = 1, what is 2x?"], ["pair=custom", "base=./a"], "urial_k3", True)


@pytest.mark.parametrize("words", [[], ["pair=custom"], [" "], ["Why?", "--compare"], ["Why?", "--colour"]])
def test_what_is_missing_or_unknown_is_one_line_with_a_remedy(words: list[str]):
    with pytest.raises(UserError, match=r"remedy: .*superficial ask|remedy: --compare"):
        Asked.read(words)


def test_questions_are_a_dataset_that_is_named_by_them_and_written_once(tmp_path: Path):
    path = write_questions(["Why?", "蜂？"], tmp_path)
    before = path.stat().st_mtime_ns
    assert write_questions(["Why?", "蜂？"], tmp_path) == path
    assert path.stat().st_mtime_ns == before
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [row["instruction"] for row in rows] == ["Why?", "蜂？"]
    assert len({row["id"] for row in rows}) == 2
    assert dataset_of(["蜂？", "Why?"]) != path.stem
    assert path.stem.isidentifier()


def test_each_step_is_told_once():
    steps = Steps()
    told = [(line, steps.see(line), steps.new) for line in (
        "rule generate:\n", "    input: x\n", "    x: 50%|###  | 1/2\n", "Finished jobid: 4 (Rule: generate)\n",
        "rule score:\n", "rule score:\n", "Finished jobid: 5 (Rule: score)\n",
    )]  # fmt: skip
    assert [said for _, said, _ in told[:3]] == ["answering", "", "x: 50%|###  | 1/2"]
    assert [new for _, _, new in told] == [True, False, False, False, True, False, False]
    assert told[-1][1].startswith("reading the answer")  # the other one still runs
    both = [steps.see(f"rule {rule}:\n") for rule in ("generate_together", "generate")]
    assert both[1] == f"{told[-1][1]}, answering"  # once, whoever does it


def test_the_workflows_own_error_is_told_and_else_its_log(tmp_path: Path):
    log = tmp_path / "log"
    log.write_text("rule x:\nerror: config: bad \x1b[2Jkey | remedy: mend it\nerror: second\n")
    assert str(why(log)) == "config: bad <U+001B>[2Jkey | remedy: mend it"
    log.write_text("Error: Directory cannot be locked. Please make sure\ndirectory cannot be locked")
    assert "another run" in str(why(log))
    log.write_text("Traceback")
    assert str(log) in str(why(log))
