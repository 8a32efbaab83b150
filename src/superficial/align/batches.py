"""Alignment examples as token ids, in batches of like length."""

import itertools
import json
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Example:
    """One conversation: the prompt under the chat template, the response with its end-of-turn token."""

    prompt: list[int]
    response: list[int]
    refusal: bool  # the answer to a red-team instruction

    def __len__(self) -> int:
        return len(self.prompt) + len(self.response)


@dataclass(frozen=True)
class Batch:
    """Right-padded examples. `where` are the flat indices (into B*T) of the states that predict `targets` (N,)."""

    input_ids: torch.Tensor  # (B, T)
    mask: torch.Tensor  # (B, T)
    where: torch.Tensor  # (N,)
    targets: torch.Tensor  # (N,)


def read_examples(path: Path, tokenizer: PreTrainedTokenizerBase, end_of_turn: int) -> list[Example]:
    """Read JSONL lines with `instruction` and `response`; the loss will be on response and end of turn alone."""
    examples = []
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": record["instruction"]}], add_generation_prompt=True, tokenize=False
        )
        prompt = tokenizer(text, add_special_tokens=False).input_ids
        response = tokenizer(record["response"], add_special_tokens=False).input_ids
        examples.append(Example(prompt, [*response, end_of_turn], record["category"] == "safety"))
    return examples


def epoch_batches(examples: list[Example], size: int, seed: int) -> list[Batch]:
    """One pass over all examples: like lengths share a batch (little padding), batches come in seeded random order."""
    rng = random.Random(seed)
    order = sorted(range(len(examples)), key=lambda i: len(examples[i]) + rng.uniform(-8, 8))
    groups = [order[start : start + size] for start in range(0, len(order), size)]
    rng.shuffle(groups)
    return [collate([examples[i] for i in group]) for group in groups]


def settling_batches(examples: list[Example], size: int, seed: int, refusals_every: int) -> list[Batch]:
    """One pass in batches that mix lengths and kinds, over all regular examples and every so many-th refusal.

    Refusals are short, so batches of like length hold many or none of them, and the readiness to refuse swings with the
    last few batches; mixed ones bring it to rest.
    """
    refusals = itertools.count()
    chosen = [example for example in examples if not example.refusal or next(refusals) % refusals_every == 0]
    random.Random(seed).shuffle(chosen)
    return [collate(chosen[start : start + size]) for start in range(0, len(chosen), size)]


def collate(examples: list[Example]) -> Batch:
    """Pad on the right; the last token of an example is only a target, so it is not fed."""
    width = max(len(example) for example in examples) - 1
    input_ids = torch.zeros(len(examples), width, dtype=torch.long)
    mask = torch.zeros_like(input_ids)
    where: list[int] = []
    targets: list[int] = []
    for row, example in enumerate(examples):
        fed = (example.prompt + example.response)[:-1]
        input_ids[row, : len(fed)] = torch.tensor(fed)
        mask[row, : len(fed)] = 1
        first = row * width + len(example.prompt) - 1
        where += range(first, first + len(example.response))
        targets += example.response
    return Batch(input_ids, mask, torch.tensor(where), torch.tensor(targets))
