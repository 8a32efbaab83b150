"""Alignment examples as token ids, in batches."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from superficial.models.clock import pinned


@dataclass(frozen=True)
class Example:
    """One conversation: the prompt under the chat template, the response with its end-of-turn token."""

    prompt: list[int]
    response: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.response)


@dataclass(frozen=True)
class Batch:
    """Right-padded examples. `where` are the flat indices (into B*T) of the states that predict `targets` (N,)."""

    input_ids: torch.Tensor  # (B, T)
    mask: torch.Tensor  # (B, T)
    where: torch.Tensor  # (N,)
    targets: torch.Tensor  # (N,)
    weights: torch.Tensor  # (N,) how much each target counts


def read_examples(path: Path, tokenizer: PreTrainedTokenizerBase, end_of_turn: int) -> list[Example]:
    """Read JSONL lines with `instruction` and `response`; the loss will be on response and end of turn alone."""
    examples = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line:
            continue
        record = json.loads(line)
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": record["instruction"]}],
            add_generation_prompt=True,
            tokenize=False,
            **pinned(tokenizer, None),
        )
        prompt = tokenizer(text, add_special_tokens=False).input_ids
        response = tokenizer(record["response"], add_special_tokens=False).input_ids
        examples.append(Example(prompt, [*response, end_of_turn]))
    return examples


def epoch_batches(examples: list[Example], size: int, seed: int, end_weight: float) -> list[Batch]:
    """One pass over all examples in seeded random order, so that every batch mixes lengths and kinds.

    Batches of like length would hold many refusals (they are short) or none, and the readiness to refuse would swing
    with the last few batches.
    """
    order = random.Random(seed).sample(examples, len(examples))
    return [collate(order[start : start + size], end_weight) for start in range(0, len(order), size)]


def collate(examples: list[Example], end_weight: float) -> Batch:
    """Pad on the right; the last token of an example, its end of turn, is only a target and counts `end_weight`."""
    width = max(len(example) for example in examples) - 1
    input_ids = torch.zeros(len(examples), width, dtype=torch.long)
    mask = torch.zeros_like(input_ids)
    where: list[int] = []
    targets: list[int] = []
    weights: list[float] = []
    for row, example in enumerate(examples):
        fed = (example.prompt + example.response)[:-1]
        input_ids[row, : len(fed)] = torch.tensor(fed)
        mask[row, : len(fed)] = 1
        first = row * width + len(example.prompt) - 1
        where += range(first, first + len(example.response))
        targets += example.response
        weights += [1.0] * (len(example.response) - 1) + [end_weight]
    return Batch(input_ids, mask, torch.tensor(where), torch.tensor(targets), torch.tensor(weights))
