"""Decoding with logits in bfloat16 finds the tokens of float32, on any processor."""

import random

import pytest
import torch
from support.reference import NEW, gemma, llama, loaded, prompts

from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.choose import chosen, chosen_among_likely
from superficial.inference.generate.decode import Decoder
from superficial.models.head import LMHead
from superficial.models.screen import Screen, ScreenedLogits


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor that multiplies in bfloat16: the others are slower at it, and find the same."""
    monkeypatch.setattr("superficial.models.screen.multiplies_fast", lambda: True)


def made(vocabulary: int, size: int, seed: int, spread: float = 1.0) -> tuple[LMHead, torch.Tensor]:
    """A head and states (30, H); rows of the weight differ in length."""
    draw = torch.Generator().manual_seed(seed)
    weight = torch.randn(vocabulary, size, generator=draw) * torch.rand(vocabulary, 1, generator=draw)
    states = torch.randn(30, size, generator=draw) * spread
    return LMHead(weight, None, 1.0, None), states


def screened(head: LMHead, states: torch.Tensor) -> ScreenedLogits:
    screen = Screen.of(head)
    assert screen is not None
    return screen(states)


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("spread", [1e-3, 1.0, 300.0])
@pytest.mark.parametrize(("vocabulary", "size"), [(3, 5), (511, 64), (1300, 16), (5000, 640)])
def test_no_logit_is_further_off_than_its_bound(vocabulary: int, size: int, spread: float):
    head, states = made(vocabulary, size, 0, spread)
    found = screened(head, states)
    exact = (states.double() @ head.weight.double().T).T
    off = (found.logits.double() - exact).abs() - exact.abs() * 2.0**-8
    assert (off <= found.error).all()
    assert (off > found.error / 30).any()  # the bound is no idle one


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("penalty", [1.0, 1.1, 3.0, 0.7])
@pytest.mark.parametrize("seed", range(12))
def test_the_chosen_token_is_that_of_float32(seed: int, penalty: float):
    vocabulary, size = [(2, 3), (600, 8), (2000, 64), (5000, 640)][seed % 4]
    head, states = made(vocabulary, size, seed, 10.0 ** random.Random(seed).uniform(-3, 2))
    seen = torch.randint(
        0, vocabulary, (len(states), 1 + vocabulary // 3), generator=torch.Generator().manual_seed(seed)
    )
    logits = (states.double() @ head.weight.double().T).T.float()
    tokens, near = chosen(logits, seen, penalty)
    found, tied = chosen_among_likely(screened(head, states), seen, penalty)
    differ = tokens != found
    assert tied[differ].all()
    assert near[differ].all()
    assert differ.float().mean() < 0.1
    assert (near != tied).float().mean() < 0.1


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("penalty", [1.0, 1.2])
def test_tokens_that_bfloat16_cannot_tell_apart_are_told_apart(penalty: float):
    draw = torch.Generator().manual_seed(3)
    weight = torch.randn(1, 64, generator=draw) + 1e-3 * torch.randn(2000, 64, generator=draw)
    head, states = LMHead(weight, None, 1.0, None), torch.randn(30, 64, generator=draw)
    seen = torch.randint(0, 2000, (30, 700), generator=draw)
    found = screened(head, states)
    assert found.logits.argmax(dim=0).ne((states @ weight.T).argmax(dim=1)).float().mean() > 0.5
    tokens, near = chosen((states.double() @ weight.double().T).T.float(), seen, penalty)
    likely, tied = chosen_among_likely(found, seen, penalty)
    assert (near | tied | (tokens == likely)).all()
    assert (tokens == likely).float().mean() > 0.8


@pytest.mark.usefixtures("fast")
def test_of_equals_the_first_is_taken_and_is_a_near_tie():
    head, states = made(1300, 16, 1)
    twice = torch.cat([head.weight, head.weight])
    same = LMHead(twice, None, 1.0, None)
    tokens, near = chosen_among_likely(screened(same, states), torch.zeros(30, 1, dtype=torch.long), 1.0)
    assert tokens.tolist() == (states @ head.weight.T).argmax(dim=1).tolist()
    assert near.all()


@pytest.mark.usefixtures("fast")
def test_where_no_token_stands_out_the_whole_product_decides(monkeypatch: pytest.MonkeyPatch):
    """All logits are equal: none of 300,000 tokens is looked at alone."""
    head, _ = made(300_000, 4, 0)
    states = torch.zeros(30, 4)
    monkeypatch.setattr(LMHead, "logit", lambda *_: pytest.fail("one by one"))
    tokens, near = chosen_among_likely(screened(head, states), torch.zeros(30, 1, dtype=torch.long), 1.0)
    assert tokens.tolist() == [0] * 30
    assert near.all()


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("make", [gemma, llama])
def test_answers_are_those_of_float32(make, monkeypatch: pytest.MonkeyPatch):
    """Refilled batches and a repetition penalty included; of every step but those that read prompts."""
    used = []
    monkeypatch.setattr(
        "superficial.inference.generate.choose.chosen_among_likely",
        lambda *asked: used.append(len(asked[0])) or chosen_among_likely(*asked),
    )
    asked = prompts(40, tuple(torch.randint(1, 50, (16,), generator=torch.Generator().manual_seed(5)).tolist()))
    model = loaded(make, [1, 2, 3])
    with_screen = Decoder(model, GreedyDecoding(NEW, 1.1), 5)
    found = dict(with_screen.answers(asked))
    assert sum(used) == with_screen.work.new_tokens - len(asked)
    monkeypatch.setattr("superficial.models.screen.multiplies_fast", lambda: False)
    without = Decoder(model, GreedyDecoding(NEW, 1.1), 5)
    assert found == dict(without.answers(asked))
    assert with_screen.work == without.work


@pytest.mark.usefixtures("fast")
def test_what_the_bound_does_not_cover_is_not_screened():
    head, _ = made(600, 8, 0)
    assert Screen.of(head) is not None
    bias = torch.zeros(600)
    others = [
        LMHead(head.weight, bias, 1.0, None),
        LMHead(head.weight, None, 2.0, None),
        LMHead(head.weight, None, 1.0, 30.0),
    ]
    others.append(LMHead(head.weight.bfloat16(), None, 1.0, None))
    assert [Screen.of(one) for one in others] == [None] * 4
