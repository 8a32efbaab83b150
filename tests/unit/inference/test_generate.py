"""Our decoding loop against `model.generate` on each full prompt alone, and what it costs."""

import functools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from support.reference import NEW, PREFIX, RESTS, TOKENIZER, alone, early_ends, gemma, llama, loaded, prompts, recurrent
from transformers import RepetitionPenaltyLogitsProcessor

from superficial.inference.finish_reason import EOS, LENGTH
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.cache import sliding_windows
from superficial.inference.generate.choose import choose_tokens
from superficial.inference.generate.decode import Decoder
from superficial.inference.generate.queue import SHARE, Queue, by_length
from superficial.inference.shared_prefix import common_prefix
from superficial.models.load import LoadedModel


class Case:
    """A model whose answers end early for some prompts, and the answers of transformers by penalty."""

    def __init__(self, make: Any) -> None:
        self.ends = early_ends(make)
        self.model = loaded(make, self.ends)
        self.expected = {penalty: [alone(self.model, one, NEW, penalty) for one in prompts()] for penalty in (1.0, 1.1)}


@functools.cache
def case_of(make: Any) -> Case:
    return Case(make)


@pytest.fixture(params=[llama, gemma, recurrent], ids=lambda make: make.__name__)
def case(request: pytest.FixtureRequest) -> Case:
    return case_of(request.param)


def decoded(decoder: Decoder, asked: list[list[int]]) -> list[Answer]:
    found = dict(decoder.answers(asked))
    assert sorted(found) == list(range(len(asked)))
    return [found[index] for index in range(len(asked))]


def test_the_comparison_means_something(case: Case):
    """Answers differ by prompt and penalty; some end early and some do not; the window matters where there is one."""
    for answers in case.expected.values():
        assert len(set(map(tuple, answers))) == len(RESTS)
    assert len({len(one) for one in case.expected[1.0]}) >= 3
    assert max(len(one) for one in case.expected[1.0]) == NEW
    assert case.expected[1.0] != case.expected[1.1]
    if True in [window is not None for window in sliding_windows(case.model.model) or []]:
        wide = loaded(gemma, case.ends, window=400)
        assert sum(alone(wide, one, NEW) != two for one, two in zip(prompts(), case.expected[1.0], strict=True)) > 5


@pytest.mark.parametrize("batch", [1, 3, 8])
@pytest.mark.parametrize("penalty", [1.0, 1.1])
def test_answers_are_those_of_transformers_alone(case: Case, penalty: float, batch: int):
    order = torch.randperm(len(RESTS), generator=torch.Generator().manual_seed(batch)).tolist()
    found = decoded(Decoder(case.model, GreedyDecoding(NEW, penalty), batch), [prompts()[index] for index in order])
    assert [one.token_ids for one in found] == [case.expected[penalty][index] for index in order]
    for one in found:
        ended = one.token_ids[-1] in case.ends
        assert one.finish_reason == (EOS if ended else LENGTH)
        assert one.text == TOKENIZER.decode(one.token_ids[:-1] if ended else one.token_ids)
        assert one.near_ties == 0


@pytest.mark.parametrize(
    ("prefix", "rests"),
    [
        (0, (3, 70, 20)),
        (15, (3, 70, 20)),
        (20, (200, 1, 2)),  # the longest rest is longer than another whole prompt
        (7, (1, 90, 30)),
        (64, (1,)),
        (64, (0, 4, 5)),  # one prompt is the beginning of the others
    ],
)
def test_prompts_of_any_shape(case: Case, prefix: int, rests: tuple[int, ...]):
    asked = prompts(prefix, rests)
    found = decoded(Decoder(case.model, GreedyDecoding(6, 1.1), 8), asked)
    assert [one.token_ids for one in found] == [alone(case.model, one, 6, 1.1) for one in asked]


def test_long_answers_outgrow_the_memory_of_the_cache(case: Case, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("superficial.inference.generate.cache.SPARE", 3)
    monkeypatch.setattr("superficial.inference.generate.batch.SPARE", 3)
    found = decoded(Decoder(case.model, GreedyDecoding(NEW), 8), prompts())
    assert [one.token_ids for one in found] == case.expected[1.0]


@contextmanager
def fed(model: LoadedModel) -> Iterator[list[torch.Size]]:
    """Shapes (rows, tokens) of the ids of every forward pass."""
    shapes: list[torch.Size] = []
    hook = model.model.base_model.register_forward_pre_hook(
        lambda _module, _args, given: shapes.append(given["input_ids"].shape), with_kwargs=True
    )
    try:
        yield shapes
    finally:
        hook.remove()


def schedule(lengths: list[int], batch: int, share: int = SHARE) -> tuple[list[tuple[int, int]], list[list[int]]]:
    """Shapes of the passes behind the prefix, and the rows that are read together, if answers have these lengths."""
    waiting = sorted(range(len(RESTS)), key=lambda row: (RESTS[row], prompts()[row]))
    alive: dict[int, int] = {}
    shapes, together = [], []
    while waiting or alive:
        if alive:
            shapes.append((len(alive), 1))
        free = batch - len(alive)
        if waiting and (not alive or free * share >= batch):
            together.append(waiting[:free])
            waiting = waiting[free:]
            shapes.append((len(together[-1]), max(RESTS[row] for row in together[-1])))
            alive |= dict.fromkeys(together[-1], 0)
        alive = {row: count + 1 for row, count in alive.items() if count + 1 < lengths[row]}
    return shapes, together


@pytest.mark.parametrize("batch", [1, 3, 4, 8])
def test_the_prefix_is_read_once_and_places_that_get_free_are_taken(batch: int):
    case = case_of(gemma)
    decoder = Decoder(case.model, GreedyDecoding(NEW), batch)
    with fed(case.model) as shapes:
        decoded(decoder, prompts())
    lengths = [len(one) for one in case.expected[1.0]]
    expected, together = schedule(lengths, batch)
    assert [tuple(shape) for shape in shapes] == [(1, PREFIX), *expected]
    work = decoder.work
    assert work.prefix_tokens_prefilled == PREFIX
    # A row with a shorter rest reads the end of the prefix again, as far as it has one.
    longest = {row: max(RESTS[other] for other in members) for members in together for row in members}
    assert work.suffix_tokens_prefilled == sum(min(longest[row], PREFIX + RESTS[row]) for row in longest)
    assert work.new_tokens == sum(lengths)
    assert work.forward_passes == len(shapes)


def test_refilling_takes_fewer_passes_and_changes_no_answer(case: Case, monkeypatch: pytest.MonkeyPatch):
    """Prompts that join are longer and shorter than the rows that they join. A model with other states is not joined."""
    draw = torch.Generator().manual_seed(2)
    asked = prompts(PREFIX, tuple(torch.randint(1, 50, (24,), generator=draw).tolist()))
    refilled = Decoder(case.model, GreedyDecoding(NEW, 1.1), 5)
    found = decoded(refilled, asked)
    monkeypatch.setattr("superficial.inference.generate.decode.can_join", lambda _: False)
    one_by_one, fixed = (Decoder(case.model, GreedyDecoding(NEW, 1.1), batch) for batch in (1, 5))
    assert found == decoded(one_by_one, asked) == decoded(fixed, asked)
    assert len({len(one.token_ids) for one in found}) > 3
    assert refilled.work.new_tokens == fixed.work.new_tokens
    if sliding_windows(case.model.model) is None:
        assert refilled.work == fixed.work
    else:
        assert refilled.work.forward_passes < fixed.work.forward_passes


def test_a_short_prefix_or_a_single_prompt_is_read_in_one_pass():
    model = loaded(gemma, [1])
    for asked in (prompts(15, (3, 4)), prompts(64, (5,))):
        decoder = Decoder(model, GreedyDecoding(1), 8)
        decoded(decoder, asked)
        assert decoder.work.forward_passes == 1
        assert decoder.work.prefix_tokens_prefilled == 0


def test_the_common_prefix():
    assert common_prefix([[1, 2, 3], [1, 2, 4, 5], [1, 2]]) == [1, 2]
    assert common_prefix([[1, 2, 3], [1, 2, 3]]) == [1, 2, 3]
    assert common_prefix([[1], [2]]) == []
    assert common_prefix([[], [2]]) == []


@pytest.mark.parametrize("penalty", [1.0, 1.1, 2.0])
def test_the_next_token_is_that_of_the_processor(penalty: float):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(64, 50, generator=generator)
    seen = torch.randint(0, 50, (64, 40), generator=generator)
    processed = RepetitionPenaltyLogitsProcessor(penalty)(seen, logits.clone())
    tokens, near = choose_tokens(logits.T.clone(), seen, penalty)
    assert tokens == processed.argmax(dim=1).tolist()
    assert not any(near)
    assert penalty == 1.0 or tokens != logits.argmax(dim=1).tolist()


@pytest.mark.parametrize("size", [1, 511, 512, 513, 2000])
def test_any_vocabulary_is_searched_whole(size: int):
    """Few values, so that the best one is met several times: the first of equals is taken, and it is a near tie."""
    logits = torch.randint(0, size, (size, 300), generator=torch.Generator().manual_seed(1)).float()
    tokens, near = choose_tokens(logits.clone(), torch.zeros(300, 1, dtype=torch.long), 1.0)
    assert tokens == logits.argmax(dim=0).tolist()
    assert near == ((logits == logits.amax(dim=0)).sum(dim=0) > 1).tolist()
    assert size == 1 or 0 < sum(near) < 300


@pytest.mark.parametrize(("best", "second", "near"), [(1.0, 1.0, 1), (1.0, 1 - 9e-6, 1), (1.0, 1 - 2e-5, 0), (-8, -8.00007, 1), (-8, -8.0001, 0)])  # fmt: skip
def test_near_ties_are_relative_to_the_best(best: float, second: float, near: bool):
    assert choose_tokens(torch.tensor([[-90.0], [second], [best]]), torch.tensor([[0]]), 1.0)[1] == [near]


@pytest.mark.parametrize("refills", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_every_row_has_a_place_once(seed: int, refills: bool):
    """In order; with `refills` a quarter of the places is never free for longer than a step while others wait."""
    draw = random.Random(seed)
    queue = Queue(range(50), refills)
    places, begun, left = draw.randint(1, 12), [], []
    while queue.waiting or queue.running:
        empty = not queue.running
        new = queue.newcomers(places)
        begun += new
        assert queue.running[-len(new) :] == new or not new
        assert empty or refills or not new
        assert len(queue.running) <= places
        if refills and queue.waiting:
            assert len(queue.running) > places - places / SHARE
        ended = [draw.random() < 0.2 for _ in queue.running]
        before = list(queue.running)
        left += [row for row, end in zip(before, ended, strict=True) if end]
        stay = queue.leave(ended)
        assert [before[at] for at in stay] == queue.running
        assert sum(at != place for at, place in enumerate(stay)) <= sum(ended)
    assert begun == list(range(50))
    assert sorted(left) == begun


def test_rows_that_run_can_begin_again():
    queue = Queue(range(5), refills=True)
    assert queue.newcomers(2) == [0, 1]
    queue.restart()
    assert queue.newcomers(1) == [0]
    assert by_length([[3, 4], [9], [3, 1]]) == [1, 2, 0]
