"""The decoding loop: token for token what `model.generate` answers to each full prompt alone, many times faster.

What prompts share is read once. Rows of a batch are aligned at their last token, [pad][prefix][rest], so that distances
between columns are distances between positions, which sliding windows are counted in. A row with a shorter rest reads
the last tokens of the prefix again instead of padding. Rows that finish leave.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache

from superficial.generate.answer import Answer, Draft, Greedy
from superficial.generate.cache import SPARE, expand, new_cache
from superficial.generate.choose import choose
from superficial.generate.logits import NextLogits
from superficial.models.load import Loaded
from superficial.prefix import Prefix


@dataclass
class Work:
    """What was done, in tokens and forward passes."""

    prefix_tokens_prefilled: int = 0
    suffix_tokens_prefilled: int = 0
    new_tokens: int = 0
    forward_passes: int = 0


class Decoder:
    """Answers prompts in batches; `work` counts what that took."""

    def __init__(self, loaded: Loaded, greedy: Greedy, batch: int, step: Callable[[], object] = lambda: None) -> None:
        """`step` is called after every token of a batch."""
        self.work = Work()
        self._loaded = loaded
        self._greedy = greedy
        self._batch = batch
        self._step = step
        self._prefix = Prefix([])
        self._next_logits: NextLogits

    @torch.inference_mode()
    def answers(self, prompts: Sequence[list[int]], among: Sequence[list[int]] = ()) -> Iterator[tuple[int, Answer]]:
        """Answer every prompt; yields (index of the prompt, answer) in the order in which they finish.

        `among` are more prompts, these among them: what all of them share is read once, so that a part of the batches
        gives the answers that it would give within all.
        """
        if not prompts:
            return  # and leave the weights where they are
        self._prefix = Prefix.read(self._loaded, among or prompts)
        self.work.prefix_tokens_prefilled += len(self._prefix.ids)
        self.work.forward_passes += bool(self._prefix.ids)
        self._next_logits = NextLogits(self._loaded.model)
        for rows in batches(prompts, self._batch):
            yield from self._run(rows, prompts)

    def _run(self, rows: list[int], prompts: Sequence[list[int]]) -> Iterator[tuple[int, Answer]]:
        """Decode one batch. Every tensor has a row for each prompt that is not finished."""
        device, lengths = self._loaded.device, [len(prompts[row]) for row in rows]
        width, limit = max(lengths), max(lengths) + self._greedy.max_new_tokens
        query = width - len(self._prefix.ids)  # columns that are fed; the prefix cache stands to the left of them
        kept = [max(length - query, 0) for length in lengths]
        pads = torch.tensor([width - length for length in lengths])[:, None]
        fed = [[self._loaded.end_ids[0]] * (query - len(prompts[row])) + prompts[row][-query:] for row in rows]
        model, prefix = self._loaded.model, self._prefix.cache
        cache = new_cache(model) if prefix is None else expand(model, prefix, kept, query + SPARE)
        mask = (torch.arange(limit)[None] >= pads).long().to(device)  # (B, limit)
        positions = (torch.arange(limit)[None] - pads).clamp(min=0).to(device)  # (B, limit)
        # Tokens of the row (B, limit). A pad is not one of them: the row's own first token stands in its place.
        padded = [[prompts[row][0]] * (width - len(prompts[row])) + prompts[row] for row in rows]
        seen = torch.tensor([ids + ids[:1] * self._greedy.max_new_tokens for ids in padded], device=device)
        drafts = [Draft(self._loaded, self._greedy) for _ in rows]
        self.work.suffix_tokens_prefilled += sum(min(query, length) for length in lengths)
        column = len(self._prefix.ids)
        while rows:
            logits = self._forward(fed, cache, positions[:, column:width], mask[:, :width])
            tokens, near = choose(logits, seen[:, :width], self._greedy.repetition_penalty)
            self.work.new_tokens += len(rows)
            self._step()
            ended = [draft.add(token, tie) for draft, token, tie in zip(drafts, tokens, near, strict=True)]
            yield from ((row, answer) for row, answer in zip(rows, ended, strict=True) if answer)
            stay = [at for at, answer in enumerate(ended) if answer is None]
            if len(stay) < len(rows):
                rows, drafts = [rows[at] for at in stay], [drafts[at] for at in stay]
                tokens = [tokens[at] for at in stay]
                chosen: Any = torch.tensor(stay, dtype=torch.long, device=device)
                mask, positions, seen = mask[chosen], positions[chosen], seen[chosen]
                cache.reorder_cache(chosen)
            if rows:
                seen[:, width] = torch.tensor(tokens, device=device)
                fed, column, width = [[token] for token in tokens], width, width + 1

    def _forward(self, ids: list[list[int]], cache: Cache, positions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """One pass over `ids`, appended to `cache`; float32 logits (V, B) after the last column."""
        self.work.forward_passes += 1
        device = self._loaded.device
        return self._next_logits(
            input_ids=torch.tensor(ids, device=device),
            attention_mask=mask,
            position_ids=positions.to(device),
            past_key_values=cache,
            use_cache=True,
        )


def batches(prompts: Sequence[list[int]], size: int) -> list[list[int]]:
    """Indices of the prompts that are decoded together: those of like length, in whatever order they come.

    >>> batches([[1, 2, 3], [4], [1, 2]], 2)
    [[1, 2], [0]]
    """
    order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index]), prompts[index]))
    return [order[start : start + size] for start in range(0, len(order), size)]
