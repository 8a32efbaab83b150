"""How much a model works on at a time: what the configuration says, or with `auto` what its cards have room for.

Out of memory on a card all the same: a batch is cut in halves, and the work goes on.
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, TypeVar

import torch

from superficial.artifacts.errors import UserError
from superficial.inference.shared_prefix import common_prefix
from superficial.models.head import LMHead
from superficial.models.load import LoadedModel
from superficial.models.memory import ANSWERS, ON_CPU, POSITIONS, at_a_time, position
from superficial.models.placement import usable

Size = int | Literal["auto"]
Result = TypeVar("Result")


def answers_at_a_time(asked: Size, loaded: LoadedModel, prompts: Sequence[list[int]], made: int) -> int:
    """Answers of up to `made` tokens that are decoded together after some of `prompts`."""
    if asked != "auto":
        return asked
    if loaded.footprint is None or not loaded.cards or not prompts:
        return ON_CPU["generate_batch"]
    longest = max(map(len, prompts))
    return loaded.footprint.answers(longest + made, longest - len(common_prefix(prompts)), _left([loaded]))


def pairs_at_a_time(asked: Size, models: Sequence[tuple[LoadedModel, Sequence[list[int]]]], made: int) -> int:
    """As `answers_at_a_time`, where several models, each after its own prompts, decode the same answers."""
    if asked != "auto":
        return asked
    apart = {card for loaded, _ in models for card in loaded.cards}
    if len(apart) == sum(len(loaded.cards) for loaded, _ in models) or any(not one.cards for one, _ in models):
        return min(answers_at_a_time(asked, loaded, prompts, made) for loaded, prompts in models)
    room, each = _left([loaded for loaded, _ in models]), 0.0
    for loaded, prompts in models:
        longest = max(map(len, prompts), default=0)
        each += loaded.footprint.answer(longest + made, longest) if loaded.footprint else 0.0
    return at_a_time(each, room, ANSWERS) if each else ON_CPU["generate_batch"]


def tokens_at_a_time(asked: Size, loaded: LoadedModel, contexts: Sequence[list[int]], fed: Sequence[int]) -> int:
    """Tokens of one batch of scoring, where `fed` tokens are read for each of the `contexts`, itself included."""
    if asked != "auto":
        return asked
    if loaded.footprint is None or not loaded.cards or not fed:
        return ON_CPU["score_tokens"]
    prefix = len(common_prefix(contexts))
    return loaded.footprint.tokens(prefix, max(min(fed) - prefix, 1), _left([loaded]))


def positions_at_a_time(asked: Size, head: LMHead) -> int:
    """Positions over whose vocabulary two heads are compared at a time; both heads are in memory."""
    if asked != "auto":
        return asked
    device = head.weight.device
    if device.type != "cuda":
        return ON_CPU["position_chunk"]
    card = device.index or 0
    return at_a_time(position(head.vocabulary), usable(card) - torch.cuda.memory_allocated(card), POSITIONS)


def _left(models: Sequence[LoadedModel]) -> float:
    """What the cards of `models` have beside the weights, whether these are read already or not."""
    cards = {card for loaded in models for card in loaded.cards}
    return sum(map(usable, cards)) - sum(loaded.footprint.weights for loaded in models if loaded.footprint)


class Halving:
    """Work on batches of rows, in halves where a card has no room for more. In float32 that changes no result."""

    def __init__(self, model: str, size: Callable[[list[int]], int] = len, row: str = "response") -> None:
        """`size` of a batch is what memory goes by; a `row` is what it is called in an error."""
        self.most: int | None = None  # what there was room for, once there was none for more
        self._model, self._size, self._row = model, size, row

    def each(
        self, work: Callable[[list[int]], Iterable[tuple[int, Result]]], rows: list[int]
    ) -> Iterator[tuple[int, Result]]:
        """What `work` yields of the rows; those that a batch had not finished are begun again in smaller ones."""
        waiting = [rows]
        while waiting:
            batch = waiting.pop(0)
            if self.most is not None and len(batch) > 1 and self._size(batch) > self.most:
                waiting[:0] = _halves(batch)
                continue
            finished: set[int] = set()
            try:
                for row, found in work(batch):
                    finished.add(row)
                    yield row, found
                continue
            except torch.OutOfMemoryError as error:
                self._check(len(batch), error)
            self._take(max(self._size(half) for half in _halves(batch)))
            left = [row for row in batch if row not in finished]
            waiting[:0] = [left] if left else []

    def parts(self, work: Callable[[slice], Result], rows: int, chunk: int) -> Iterator[Result]:
        """What `work` makes of `rows` rows in order, `chunk` at a time, or fewer where there is no room for so many."""

        def of(part: list[int]) -> Iterator[tuple[int, Result]]:
            yield part[-1], work(slice(part[0], part[-1] + 1))

        for start in range(0, rows, chunk):
            for _, found in self.each(of, list(range(start, min(start + chunk, rows)))):
                yield found

    def again(self, work: Callable[[], Iterable[Result]], together: Callable[[], int]) -> Iterator[Result]:
        """What `work` yields, begun again with fewer rows where a card had no room for the `together()` of them.

        `work` takes `most` rows at a time at most, and leaves out what it has yielded.
        """
        while True:
            try:
                yield from work()
                return
            except torch.OutOfMemoryError as error:
                rows = together()
                self._check(rows, error)
            self._take(-(-rows // 2))

    def _check(self, rows: int, error: torch.OutOfMemoryError) -> None:
        if rows == 1:
            raise UserError(
                f"{self._model} runs out of memory with one {self._row} at a time",
                where="runtime.device",
                remedy="take more or larger cards, or shorter prompts and answers",
            ) from error

    def _take(self, most: int) -> None:
        """Work on so much at a time from now on. To be called when nobody holds the error, which holds tensors."""
        self.most = most
        gc.collect()
        torch.cuda.empty_cache()


def _halves(batch: list[int]) -> list[list[int]]:
    return [batch[start:end] for start, end in pairwise([0, -(-len(batch) // 2), len(batch)])]
