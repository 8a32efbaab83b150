"""Batches of the alignment data."""

import json
from pathlib import Path

import pytest
import torch

from superficial.align.batches import Example, settling_batches

DATA = Path(__file__).resolve().parents[3] / "resources/alignment/train.jsonl"


@pytest.mark.parametrize("every", [1, 2, 3, 7])
def test_settling_batches_hold_all_regular_examples_and_every_so_many_th_refusal(every: int):
    """On the shipped data in its order; each example is known by its only response token."""
    categories = [json.loads(line)["category"] for line in DATA.read_text(encoding="utf-8").splitlines()]
    examples = [Example([1], [number], kind == "safety") for number, kind in enumerate(categories)]
    batches = settling_batches(examples, 8, 5, every)
    refusals = [number for number, kind in enumerate(categories) if kind == "safety"]
    regular = set(range(len(categories))) - set(refusals)
    found = torch.cat([batch.targets for batch in batches]).tolist()
    assert sorted(found) == sorted(regular | set(refusals[::every]))
    assert [len(batch.targets) for batch in batches[:-1]] == [8] * (len(batches) - 1)
    assert found != sorted(found)
    again = settling_batches(examples, 8, 5, every)
    assert torch.cat([batch.targets for batch in again]).tolist() == found
