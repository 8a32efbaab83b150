"""The decoding loop. In float32 it gives the tokens of `model.generate` on each full prompt, many times faster.

What prompts share is read once. Rows that are finished leave the batch, on a card at the next look at them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from superficial.inference.generate.answer import Answer, GreedyDecoding, UnfinishedAnswer
from superficial.inference.generate.batch import DecodingBatch
from superficial.inference.generate.choose import chosen, tie_margin
from superficial.inference.generate.logits import NextLogits
from superficial.inference.room import Halving
from superficial.inference.shared_prefix import SharedPrefix
from superficial.models.load import LoadedModel

LOOK = 8  # tokens of a batch between two looks at it on a card: a look waits for the card, and then the card for us


@dataclass
class DecodingCounts:
    """What was done, in tokens and forward passes."""

    prefix_tokens_prefilled: int = 0
    suffix_tokens_prefilled: int = 0
    new_tokens: int = 0
    forward_passes: int = 0


class Decoder:
    """Answers prompts in batches; `work` counts what that took."""

    def __init__(
        self, loaded: LoadedModel, greedy: GreedyDecoding, batch: int, step: Callable[[], object] = lambda: None
    ) -> None:
        """`step` is called after every token of a batch."""
        self.work = DecodingCounts()
        self._loaded = loaded
        self._greedy = greedy
        self._batch = batch
        self._tie = tie_margin(loaded.dtype)
        self.halving = Halving(loaded.manifest["name"])
        self._look = LOOK if loaded.device.type == "cuda" else 1
        self._step = step
        self._prefix = SharedPrefix([])
        self._next_logits: NextLogits

    @torch.inference_mode()
    def answers(self, prompts: Sequence[list[int]], among: Sequence[list[int]] = ()) -> Iterator[tuple[int, Answer]]:
        """Answer every prompt; yields (index of the prompt, answer) in the order in which they finish.

        `among` are more prompts, these among them: what all of them share is read once, so that a part of the batches
        gives the answers that it would give within all.
        """
        if not prompts:
            return  # and leave the weights where they are
        self._prefix = SharedPrefix.read(self._loaded, among or prompts)
        self.work.prefix_tokens_prefilled += len(self._prefix.ids)
        self.work.forward_passes += bool(self._prefix.ids)
        self._next_logits = NextLogits(self._loaded.model)
        for rows in batches(prompts, self._batch):
            yield from self.halving.each(lambda part: self._run(part, prompts), rows)

    def _run(self, rows: list[int], prompts: Sequence[list[int]]) -> Iterator[tuple[int, Answer]]:
        """Decode one batch."""
        asked, device, most = [prompts[row] for row in rows], self._loaded.device, self._greedy.max_new_tokens
        width = max(map(len, asked))
        query = width - len(self._prefix.ids)  # columns that are fed first
        self.work.suffix_tokens_prefilled += sum(min(query, len(prompt)) for prompt in asked)
        # Tokens of each row that is not finished (B, limit). A pad is not one of them: the row's own first token stands
        # in its place.
        padded = [prompt[:1] * (width - len(prompt)) + prompt for prompt in asked]
        seen = torch.tensor([ids + ids[:1] * most for ids in padded], device=device)
        drafts = [UnfinishedAnswer(self._loaded, self._greedy) for _ in rows]
        contexts = DecodingBatch(self._loaded, self._prefix, self._next_logits, most)
        logits = contexts.start(asked)
        while True:
            unseen: list[tuple[torch.Tensor, torch.Tensor]] = []
            for _ in range(min(self._look, most - len(drafts[0].tokens))):
                if unseen:
                    logits = contexts.follow(range(len(rows)), unseen[-1][0])
                self.work.forward_passes += 1
                tokens, near = chosen(logits, seen[:, :width], self._greedy.repetition_penalty, self._tie)
                unseen.append((tokens, near))
                seen[:, width] = tokens
                width += 1
                self._step()
            ids, ties = (torch.stack(part, dim=1).tolist() for part in zip(*unseen, strict=True))
            ended = [self._read(*one) for one in zip(drafts, ids, ties, strict=True)]
            yield from ((row, answer) for row, answer in zip(rows, ended, strict=True) if answer)
            stay = [at for at, answer in enumerate(ended) if answer is None]
            if not stay:
                return
            if len(stay) < len(rows):
                rows, drafts, seen = [rows[at] for at in stay], [drafts[at] for at in stay], seen[stay]
            logits = contexts.follow(stay, [ids[at][-1] for at in stay])

    def _read(self, draft: UnfinishedAnswer, tokens: list[int], near: list[bool]) -> Answer | None:
        """The answer, if one of the tokens ended it; what was decoded behind that one counts for nothing."""
        for token, tie in zip(tokens, near, strict=True):
            self.work.new_tokens += 1
            if answer := draft.add(token, tie):
                return answer
        return None


def batches(prompts: Sequence[list[int]], size: int) -> list[list[int]]:
    """Indices of the prompts that are decoded together: those of like length, in whatever order they come.

    >>> batches([[1, 2, 3], [4], [1, 2]], 2)
    [[1, 2], [0]]
    """
    order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index]), prompts[index]))
    return [order[start : start + size] for start in range(0, len(order), size)]
