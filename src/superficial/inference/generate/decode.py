"""The decoding loop. In float32 it gives the tokens of `model.generate` on each full prompt, many times faster.

What prompts share is read once. Rows that are finished leave the batch, on a card at the next look at them, and in
float32 other prompts take their places. In half precision the rows of a batch may change each other's tokens: there a
batch runs to its last row, so that an answer depends on the prompts of its batch alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from superficial.inference.generate.answer import Answer, GreedyDecoding, UnfinishedAnswer
from superficial.inference.generate.batch import DecodingBatch
from superficial.inference.generate.cache import can_join
from superficial.inference.generate.choose import chosen_of, tie_margin
from superficial.inference.generate.logits import NextLogits
from superficial.inference.generate.queue import Queue, by_length
from superficial.inference.generate.seen_tokens import SeenTokens
from superficial.inference.room import Halving
from superficial.inference.shared_prefix import SharedPrefix
from superficial.models.load import LoadedModel
from superficial.models.screen import ScreenedLogits

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
        queue = Queue(by_length(prompts), refills=self._loaded.exact and can_join(self._loaded.model))
        yield from self.halving.again(lambda: self._work_off(queue, prompts), lambda: len(queue.running))

    def _work_off(self, queue: Queue, prompts: Sequence[list[int]]) -> Iterator[tuple[int, Answer]]:
        queue.restart()
        while queue.waiting:
            yield from self._run(queue, prompts)

    def _run(self, queue: Queue, prompts: Sequence[list[int]]) -> Iterator[tuple[int, Answer]]:
        """Decode until no row is left."""
        most, places = self._greedy.max_new_tokens, self.halving.most or self._batch
        contexts = DecodingBatch(self._loaded, self._prefix, self._next_logits)
        seen = SeenTokens(max(map(len, prompts)) + most, self._loaded.device)
        drafts: list[UnfinishedAnswer] = []
        logits: list[torch.Tensor | ScreenedLogits] = []  # after the last token of each row; newcomers come last
        while True:
            if new := [prompts[row] for row in queue.newcomers(places)]:
                self._count(new)
                logits.append(contexts.join(new) if drafts else contexts.start(new))
                seen.join(new)
                drafts += [UnfinishedAnswer(self._loaded, self._greedy) for _ in new]
            unseen: list[tuple[torch.Tensor, torch.Tensor]] = []
            for _ in range(min(self._look, most - max(len(draft.tokens) for draft in drafts))):
                if unseen:
                    logits = [self._follow(contexts, range(len(drafts)), unseen[-1][0])]
                tokens, near = chosen_of(logits, seen.ids, self._greedy.repetition_penalty, self._tie)
                unseen.append((tokens, near))
                seen.add(tokens)
                self._step()
            ids, ties = (torch.stack(part, dim=1).tolist() for part in zip(*unseen, strict=True))
            ended = [self._read(*one) for one in zip(drafts, ids, ties, strict=True)]
            yield from ((row, answer) for row, answer in zip(queue.running, ended, strict=True) if answer)
            stay = queue.leave([answer is not None for answer in ended])
            if not stay:
                return
            drafts = [drafts[place] for place in stay]
            seen.keep(stay)
            logits = [self._follow(contexts, stay, [ids[place][-1] for place in stay])]

    def _count(self, prompts: Sequence[list[int]]) -> None:
        query = max(map(len, prompts)) - len(self._prefix.ids)  # columns that are fed
        self.work.suffix_tokens_prefilled += sum(min(query, len(prompt)) for prompt in prompts)
        self.work.forward_passes += 1

    def _follow(
        self, contexts: DecodingBatch, parents: Sequence[int], tokens: Sequence[int] | torch.Tensor
    ) -> torch.Tensor | ScreenedLogits:
        self.work.forward_passes += 1
        return contexts.follow_likely(parents, tokens)

    def _read(self, draft: UnfinishedAnswer, tokens: list[int], near: list[bool]) -> Answer | None:
        """The answer, if one of the tokens ended it; what was decoded behind that one counts for nothing."""
        for token, tie in zip(tokens, near, strict=True):
            self.work.new_tokens += 1
            if answer := draft.add(token, tie):
                return answer
        return None
