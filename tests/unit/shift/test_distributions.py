"""Comparing two distributions: against definitions in float64, and in itself."""

import numpy as np
import pytest
import torch

from superficial.artifacts.errors import UserError
from superficial.models.head import LMHead, check_head
from superficial.shift.compare import compare
from superficial.shift.distributions import BLOCK, HeadAndStates, Workspace, contrast

WIDTH, TOKENS = 24, 40


def side(vocabulary: int, seed: int, spread: float = 1.0, **head: float) -> HeadAndStates:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(vocabulary, WIDTH, generator=generator)
    states = spread * torch.randn(TOKENS, WIDTH, generator=generator)
    return HeadAndStates(LMHead(weight, None, head.get("scale", 1.0), head.get("softcap")), states)


def log_probs(one: HeadAndStates) -> torch.Tensor:
    logits = one.states.double() @ one.head.weight.double().T * one.head.scale
    if one.head.softcap:
        logits = one.head.softcap * torch.tanh(logits / one.head.softcap)
    return logits.log_softmax(dim=1)


# A vocabulary of several blocks with a rest, one of exactly a block, and a small one.
@pytest.mark.parametrize("vocabulary", [2 * BLOCK + 77, BLOCK, 50])
@pytest.mark.parametrize("head", [{}, {"scale": 0.25}, {"softcap": 5.0}])
def test_against_the_definitions_in_float64(vocabulary: int, head: dict[str, float]):
    base, aligned = side(vocabulary, 1, **head), side(vocabulary, 2, **head)
    tokens = torch.randint(vocabulary, (TOKENS,), generator=torch.Generator().manual_seed(3))
    found = contrast(base, aligned, tokens, 10, Workspace(TOKENS, vocabulary, torch.device("cpu")))
    p, q = log_probs(base), log_probs(aligned)
    m = torch.logaddexp(p, q) - np.log(2)
    torch.testing.assert_close(found.kl_aligned_base.double(), (q.exp() * (q - p)).sum(1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.kl_base_aligned.double(), (p.exp() * (p - q)).sum(1), atol=1e-5, rtol=1e-5)
    js = 0.5 * (p.exp() * (p - m)).sum(1) + 0.5 * (q.exp() * (q - m)).sum(1)
    torch.testing.assert_close(found.js.double(), js, atol=1e-5, rtol=1e-5)
    for view, exact in ((found.base, p), (found.aligned, q)):
        gold = exact.gather(1, tokens[:, None])
        # Ranks agree with a sort: the position of the token among all probabilities in falling order.
        order = exact.argsort(dim=1, descending=True)
        assert view.rank.tolist() == ((order == tokens[:, None]).int().argmax(dim=1) + 1).tolist()
        torch.testing.assert_close(view.prob.double(), gold[:, 0].exp(), atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(view.entropy.double(), -(exact.exp() * exact).sum(1), atol=1e-5, rtol=1e-5)
        assert (view.top_ids == order[:, :10]).all()
        torch.testing.assert_close(view.top_probs.double(), exact.gather(1, order[:, :10]).exp(), atol=1e-6, rtol=1e-4)


def test_bounds_hold_for_extreme_distributions():
    """Distributions that all but exclude each other: KL stays finite and JS stays at most ln 2."""
    base, aligned = side(300, 1, spread=60.0), side(300, 2, scale=60.0)
    tokens = torch.zeros(TOKENS, dtype=torch.long)
    there = contrast(base, aligned, tokens, 5, Workspace(TOKENS, 300, torch.device("cpu")))
    back = contrast(aligned, base, tokens, 5, Workspace(TOKENS, 300, torch.device("cpu")))
    for value in (there.kl_aligned_base, there.kl_base_aligned, there.js):
        assert torch.isfinite(value).all()
        assert (value >= 0).all()
    assert there.js.max() <= np.log(2) + 1e-6
    assert there.js.max() > 0.6
    torch.testing.assert_close(there.js, back.js, atol=1e-6, rtol=0)
    torch.testing.assert_close(there.kl_aligned_base, back.kl_base_aligned)


def test_a_model_compared_with_itself():
    one = side(1000, 1)
    tokens = log_probs(one).argmax(dim=1)
    found = contrast(one, one, tokens, 5, Workspace(TOKENS, 1000, torch.device("cpu")))
    assert (found.kl_aligned_base == 0).all()
    assert (found.kl_base_aligned == 0).all()
    assert found.js.max() <= 1e-6
    assert (found.base.rank == 1).all()


@pytest.mark.parametrize("chunk", [1, 7, TOKENS, 1000])
def test_the_chunk_changes_nothing(chunk: int):
    base, aligned = side(500, 1), side(500, 2)
    tokens = torch.arange(TOKENS)
    whole, cut = compare(base, aligned, tokens, 4, TOKENS), compare(base, aligned, tokens, 4, chunk)
    for column in whole.columns:
        left, right = np.stack(whole[column].to_numpy()), np.stack(cut[column].to_numpy())
        if left.dtype.kind == "f":
            np.testing.assert_allclose(left, right, atol=1e-5, rtol=1e-5)
        else:
            assert (left == right).all()


def test_heads_of_different_size_are_refused():
    with pytest.raises(UserError, match="score 500 and 501 tokens"):
        compare(side(500, 1), side(501, 2), torch.arange(TOKENS), 4, 8)


def test_a_head_that_does_more_is_refused():
    """The self-check sees a scale or soft-capping that the configuration does not tell."""
    one = side(500, 1)
    check_head(one.head, one.states, one.head.logits(one.states), "honest")
    for hidden in (side(500, 1).head.logits(one.states) * 1.01, torch.tanh(one.head.logits(one.states))):
        with pytest.raises(UserError, match="LM head of odd"):
            check_head(one.head, one.states, hidden, "odd")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("head", [{}, {"scale": 0.25}, {"softcap": 30.0}, {"softcap": 15.0}])
def test_the_self_check_fits_half_precision(dtype: torch.dtype, head: dict[str, float]):
    """The model's own logits are rounded, after a sum in parts that are rounded, too, as a card makes it."""
    found = side(5000, 1, 4.0, **head)
    half = LMHead(found.head.weight.to(dtype), None, found.head.scale, found.head.softcap)
    states = found.states.to(dtype)
    for parts in (1, 2, 4, 8):
        pieces = zip(states.chunk(parts, dim=1), half.weight.chunk(parts, dim=1), strict=True)
        own = sum((one.double() @ other.double().T).to(dtype) for one, other in pieces) * half.scale
        assert isinstance(own, torch.Tensor)
        if half.softcap:
            own = torch.tanh(own / half.softcap) * half.softcap
        assert own.dtype == dtype
        check_head(half, states, own, "honest")
        for hidden in (own * 1.2, own - 2, 10 * torch.tanh(own / 10)):
            with pytest.raises(UserError, match="LM head of odd"):
                check_head(half, states, hidden, "odd")


def test_equal_logits_share_the_better_rank():
    """Base rank counts the tokens that are strictly more probable."""
    weight = torch.tensor([[2.0], [1.0], [1.0], [0.0]])
    one = HeadAndStates(LMHead(weight, None, 1.0, None), torch.ones(3, 1))
    found = contrast(one, one, torch.tensor([1, 2, 3]), 2, Workspace(3, 4, torch.device("cpu")))
    assert found.base.rank.tolist() == [2, 2, 4]
