"""Alignment examples as token ids, in batches."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from superficial.config.schema import PromptConfig
from superficial.inference.teacher_forcing import TeacherForcing, TokenSequence
from superficial.models.load import LoadedModel
from superficial.prompts.builder import PromptBuilder


@dataclass(frozen=True)
class TrainingExample:
    """One conversation: the prompt under the chat template, and the response with its end-of-turn token.

    `taught` says of each response token whether it is taught as it stands: the words that were given, and the end of
    turn. `reference` (T, H) are the base's states that predict the T response tokens in its own context.
    """

    prompt: list[int]
    response: list[int]
    taught: list[bool]
    reference: torch.Tensor

    def __len__(self) -> int:
        return len(self.prompt) + len(self.response)


@dataclass(frozen=True)
class TrainingBatch:
    """Right-padded examples. `where` are the flat indices (into B*T) of the states that predict `targets` (N,)."""

    input_ids: torch.Tensor  # (B, T)
    mask: torch.Tensor  # (B, T)
    where: torch.Tensor  # (N,)
    targets: torch.Tensor  # (N,)
    taught: torch.Tensor  # (N,) whether a target is taught as it stands
    ends: torch.Tensor  # (N,) whether it is the end of turn
    reference: torch.Tensor  # (N, H) the base's own states at the same tokens


def read_examples(
    path: Path, loaded: LoadedModel, prompts: PromptBuilder, end_of_turn: int, batch_tokens: int
) -> list[TrainingExample]:
    """Read JSONL lines with `instruction`, `response` and `given`, with which the response begins.

    The base reads every response once in its own context (`prompts`), in batches of `batch_tokens` tokens.
    """
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    tokenizer: Any = loaded.tokenizer
    read: list[tuple[list[int], list[int], list[bool]]] = []
    chats = PromptBuilder.of(loaded, PromptConfig(kind="chat"), ())  # trained on the prompts that it will be asked
    for record in records:
        prompt = chats.build(record["instruction"]).ids
        response = tokenizer(record["response"], add_special_tokens=False, return_offsets_mapping=True)
        taught = [start < len(record["given"]) for start, _ in response["offset_mapping"]]
        read.append((prompt, [*response["input_ids"], end_of_turn], [*taught, True]))
    contexts = [prompts.build(record["instruction"]).ids for record in records]
    sequences = [TokenSequence(context, response) for context, (_, response, _) in zip(contexts, read, strict=True)]
    states = TeacherForcing(loaded, batch_tokens).states(sequences)
    parts = torch.split(states, [len(sequence.response) for sequence in sequences])
    return [TrainingExample(*one, part) for one, part in zip(read, parts, strict=True)]


def epoch_batches(examples: Sequence[TrainingExample], size: int, seed: int) -> list[TrainingBatch]:
    """One pass over all examples in seeded random order, so that every batch mixes lengths and kinds.

    Batches of like length would hold many refusals (they are short) or none, and the readiness to refuse would swing
    with the last few batches.
    """
    order = random.Random(seed).sample(examples, len(examples))
    return [collate(order[start : start + size]) for start in range(0, len(order), size)]


def collate(examples: Sequence[TrainingExample]) -> TrainingBatch:
    """Pad on the right; the last token of an example, its end of turn, is only a target."""
    width = max(len(example) for example in examples) - 1
    input_ids = torch.zeros(len(examples), width, dtype=torch.long)
    mask = torch.zeros_like(input_ids)
    where: list[int] = []
    for row, example in enumerate(examples):
        fed = (example.prompt + example.response)[:-1]
        input_ids[row, : len(fed)] = torch.tensor(fed)
        mask[row, : len(fed)] = 1
        first = row * width + len(example.prompt) - 1
        where += range(first, first + len(example.response))
    return TrainingBatch(
        input_ids,
        mask,
        torch.tensor(where),
        torch.tensor([token for example in examples for token in example.response]),
        torch.tensor([taught for example in examples for taught in example.taught]),
        torch.tensor([at == len(example.response) - 1 for example in examples for at in range(len(example.response))]),
        torch.cat([example.reference for example in examples]),
    )
