"""How much is worked on at a time, by what mocked cards have room for; and what happens when it was too much."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.cards import Cards
from support.reference import NEW, early_ends, llama, loaded, prompts

from superficial.artifacts.errors import UserError
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.decode import Decoder
from superficial.inference.generate.requests import answer_requests, generation_request, open_store
from superficial.inference.room import (
    Halving,
    answers_at_a_time,
    pairs_at_a_time,
    positions_at_a_time,
    tokens_at_a_time,
)
from superficial.inference.teacher_forcing import TeacherForcing, TokenSequence
from superficial.models.head import LMHead
from superficial.models.load import LoadedModel
from superficial.models.memory import ANSWERS, POSITIONS, TOKENS, Footprint
from superficial.pipeline.plan.machine import machine
from superficial.pipeline.plan.models import ModelWork
from superficial.pipeline.plan.sizes import Sizes
from superficial.pipeline.run import Run

GB = 1e9
LLAMA_7B = Footprint(13.5 * GB, 2, layers=32, hidden=4096, kv_heads=32, head_dim=128, vocabulary=32_000)
GREEDY = GreedyDecoding(6)
PROMPTS = [[1] * 100 + [row] * 20 for row in range(2, 12)]


def on(*cards: int) -> LoadedModel:
    return replace(loaded(llama, [1]), footprint=LLAMA_7B, cards=cards)


def test_a_processor_works_in_the_sizes_that_were_measured_there():
    here = loaded(llama, [1])
    assert answers_at_a_time("auto", here, PROMPTS, 256) == 40
    assert tokens_at_a_time("auto", here, PROMPTS, [120]) == 1024
    assert positions_at_a_time("auto", LMHead(torch.zeros(8, 4), None, 1.0, None)) == 256
    assert pairs_at_a_time("auto", [(here, PROMPTS), (here, PROMPTS)], 64) == 40


def test_a_number_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch):
    Cards([20 * GB]).show(monkeypatch)
    assert answers_at_a_time(1000, on(0), PROMPTS, 256) == 1000
    assert tokens_at_a_time(77, on(0), PROMPTS, [120]) == 77
    assert pairs_at_a_time(7, [(on(0), PROMPTS)], 256) == 7
    assert positions_at_a_time(3, LMHead(torch.zeros(8, 4), None, 1.0, None)) == 3


def test_answers_fill_what_the_weights_leave(monkeypatch: pytest.MonkeyPatch):
    """Half a megabyte of keys and values a token."""
    cards = Cards([24 * GB]).show(monkeypatch)
    few = answers_at_a_time("auto", on(0), PROMPTS, 1000)
    assert 13.5 * GB + few * 1120 * LLAMA_7B.kept < 0.9 * 24 * GB < 13.5 * GB + 1.2 * (few + 1) * 1120 * LLAMA_7B.kept
    assert answers_at_a_time("auto", on(0), PROMPTS, 100) > few  # shorter ones
    cards.totals[0] = 80 * GB
    assert few < answers_at_a_time("auto", on(0), PROMPTS, 1000) < ANSWERS
    assert answers_at_a_time("auto", on(0), PROMPTS, 4) == ANSWERS
    cards.taken[0] = 60 * GB  # others are there, too
    assert 1 <= answers_at_a_time("auto", on(0), PROMPTS, 1000) < few
    cards.taken[0] = 79 * GB
    assert answers_at_a_time("auto", on(0), PROMPTS, 1000) == 1


def test_two_models_on_one_card_share_it(monkeypatch: pytest.MonkeyPatch):
    Cards([80 * GB, 80 * GB]).show(monkeypatch)
    one = answers_at_a_time("auto", on(0), PROMPTS, 2000)
    assert pairs_at_a_time("auto", [(on(0), PROMPTS), (on(1), PROMPTS)], 2000) == one
    both = pairs_at_a_time("auto", [(on(0), PROMPTS), (on(0), PROMPTS)], 2000)
    assert one / 3 < both < one / 2
    assert answers_at_a_time("auto", on(0, 1), PROMPTS, 2000) > 2 * one - 5  # laid over both, it has both


def test_a_long_prefix_leaves_room_for_fewer_rows(monkeypatch: pytest.MonkeyPatch):
    Cards([80 * GB]).show(monkeypatch)
    free = [[row] * 30 for row in range(2, 9)]
    behind = [[1] * 2300 + row for row in free]
    assert tokens_at_a_time("auto", on(0), free, [350] * 7) == TOKENS
    tokens = tokens_at_a_time("auto", on(0), behind, [2650] * 7)
    rows = tokens / 350
    assert rows * 2300 * LLAMA_7B.kept < 0.9 * 80 * GB - LLAMA_7B.weights
    assert 0 < tokens < TOKENS


def test_positions_follow_from_the_vocabulary(monkeypatch: pytest.MonkeyPatch):
    cards = Cards([24 * GB]).show(monkeypatch)

    class OnCard:
        device, shape = torch.device("cuda"), (262_144, 4)

    head = LMHead(OnCard(), None, 1.0, None)  # type: ignore[arg-type]
    assert positions_at_a_time("auto", head) == POSITIONS
    cards.allocated[0] = 19 * GB  # both heads
    assert 1 < positions_at_a_time("auto", head) < 0.9 * 24 * GB / (16 * 262_144) < POSITIONS * 3


class Full:
    """A model on a card with room for `rows` rows, and from the `patience`-th pass on."""

    def __init__(self, model: LoadedModel, rows: int, patience: int = 0) -> None:
        self.rows, self.patience, self.passes, self.refused = rows, patience, 0, 0
        model.model.base_model.register_forward_pre_hook(self._look, with_kwargs=True)

    def _look(self, _module: object, _args: object, given: dict[str, torch.Tensor]) -> None:
        self.passes += 1
        if self.passes > self.patience and len(given["input_ids"]) > self.rows:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize(("rows", "patience"), [(4, 0), (2, 0), (1, 0), (3, 4), (1, 6)])
@pytest.mark.fault("operating system", "a card has no room for a batch", "handled: in halves")
def test_decoding_goes_on_in_smaller_batches(rows: int, patience: int, tmp_path: Path):
    """Also in the middle of a batch: nothing is answered twice, and every token is that of the whole batch."""
    model = loaded(llama, [1])
    requests = [generation_request(model, GREEDY, str(index), one) for index, one in enumerate(prompts())]
    whole = answer_requests(model, GREEDY, requests, 8, open_store(model, GREEDY, tmp_path / "a"))
    assert "generate_batch_halved_to" not in whole.facts
    full = Full(model, rows, patience)
    found = answer_requests(model, GREEDY, requests, 8, open_store(model, GREEDY, tmp_path / "b"))
    assert full.refused
    assert [one.token_ids for one in found.answers] == [one.token_ids for one in whole.answers]
    assert found.facts["generate_batch"] == 8
    assert found.facts["generate_batch_halved_to"] <= max(rows, 1)


@pytest.mark.parametrize("at", range(1, 30, 3))
def test_any_pass_may_be_too_much(at: int):
    """Also while rows join: every prompt is answered once, and as ever."""
    model, asked, greedy = loaded(llama, early_ends(llama)), prompts(), GreedyDecoding(NEW)
    expected = dict(Decoder(model, greedy, 4).answers(asked))
    assert len({len(one.token_ids) for one in expected.values()}) > 2
    left = [at, 1]  # passes, and refusals

    def look(_module: object, _args: object, given: dict[str, torch.Tensor]) -> None:
        left[0] -= 1
        if left[0] < 0 and left[1] and len(given["input_ids"]) > 1:
            left[1] = 0
            raise torch.OutOfMemoryError("CUDA out of memory")

    model.model.base_model.register_forward_pre_hook(look, with_kwargs=True)
    decoder = Decoder(model, greedy, 4)
    found = list(decoder.answers(asked))
    assert left[1] == 0
    assert len(found) == len(asked)
    assert dict(found) == expected
    assert decoder.halving.most in (1, 2)


def test_what_was_too_large_once_is_not_tried_again():
    model = loaded(llama, [1])
    full = Full(model, 2)
    given = [[1, 2, 3, row] for row in range(4, 20)]
    assert len(dict(Decoder(model, GreedyDecoding(3), 4).answers(given))) == 16
    assert full.refused == 1


@pytest.mark.parametrize("rows", [4, 1])
def test_scoring_goes_on_in_smaller_batches(rows: int):
    model = loaded(llama, [1])
    sequences = [TokenSequence(one, [3, 4, 5, 6]) for one in prompts()]
    expected = TeacherForcing(model, 10_000).states(sequences)
    full = Full(model, rows)
    scorer = TeacherForcing(model, 10_000)
    torch.testing.assert_close(scorer.states(sequences), expected)
    assert full.refused
    assert scorer.halving.most is not None


@pytest.mark.fault(
    "operating system", "a card has no room for one response", "one line that names file, key and remedy; exit code 2"
)
def test_one_row_that_does_not_fit_ends_in_one_line():
    model = loaded(llama, [1])
    Full(model, 0)
    with pytest.raises(UserError, match=r"llama runs out of memory with one response at a time.*larger cards"):
        dict(Decoder(model, GREEDY, 4).answers([[1, 2], [3, 4, 5]]))
    with pytest.raises(UserError, match="llama runs out of memory"):
        TeacherForcing(model, 100).states([TokenSequence([1, 2], [3]), TokenSequence([5], [3, 4])])


def test_other_errors_come_out():
    def broken(_rows: list[int]) -> Iterator[tuple[int, Answer]]:
        raise RuntimeError("shape mismatch")
        yield

    with pytest.raises(RuntimeError, match="shape mismatch"):
        list(Halving("m").each(broken, [1, 2, 3]))


@pytest.mark.parametrize("room", [1, 2, 3, 5, 7])
def test_every_row_is_done_once_and_in_order(room: int):
    seen: list[int] = []

    def work(limit: int) -> Callable[[list[int]], Iterator[tuple[int, int]]]:
        def each(rows: list[int]) -> Iterator[tuple[int, int]]:
            for at, row in enumerate(rows):
                if at >= limit:
                    raise torch.OutOfMemoryError
                seen.append(row)
                yield row, row * row

        return each

    halving = Halving("m")
    found = [pair for rows in (list(range(9)), list(range(9, 16))) for pair in halving.each(work(room), rows)]
    assert found == [(row, row * row) for row in range(16)] == [(row, row * row) for row in seen]


@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_a_card_is_looked_at_every_few_tokens(penalty: float, monkeypatch: pytest.MonkeyPatch):
    """Tokens stay what they are, also of rows that end between two looks; the card waits for us less often."""
    model, greedy = loaded(llama, list(range(1, 12))), GreedyDecoding(20, penalty)
    looks: list[int] = []
    tolist = torch.Tensor.tolist

    def counted(tensor: torch.Tensor) -> object:
        if tensor.dim() == 2:  # the tokens of all rows since the last look
            looks.append(len(tensor))
        return tolist(tensor)

    monkeypatch.setattr(torch.Tensor, "tolist", counted)
    one_by_one, seldom = Decoder(model, greedy, 5), Decoder(model, greedy, 5)
    seldom._look = 8
    expected = dict(one_by_one.answers(prompts()))
    often = len(looks)
    assert dict(seldom.answers(prompts())) == expected
    assert len({len(one.token_ids) for one in expected.values()}) > 3  # rows end at different tokens
    assert len(looks) - often < often / 3
    assert seldom.work.new_tokens == one_by_one.work.new_tokens


def test_a_plan_says_what_a_stage_takes(monkeypatch: pytest.MonkeyPatch):
    """An idle card, and the prompts that the plan expects."""
    run = Run(Path(__file__).resolve().parents[3] / "config", ["pair=llama2_7b_chat", "plan.gpu=a100_80gb"])
    models = ModelWork(Sizes(run, Path("no/results")), machine(run.settings.plan, "cpu"))
    tokens, fed = models._longest("llama2_7b")
    made, rest = run.settings.generate.max_new_tokens, round(fed)
    prefix = round(tokens) - made - rest
    given = [[1] * prefix + [row] * rest for row in (2, 3)]
    Cards([80 * GB]).show(monkeypatch)
    here = replace(on(0), footprint=models.footprint("llama2_7b"))
    answers, scored, _ = models.together("llama2_7b")
    assert abs(answers_at_a_time("auto", here, given, made) - answers) <= 1  # lengths are whole numbers here
    assert tokens_at_a_time("auto", here, given, [prefix + rest + made] * 2) == pytest.approx(scored, rel=0.02)
    assert answers < ANSWERS
