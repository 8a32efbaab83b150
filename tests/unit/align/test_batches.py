"""Batches of the alignment examples, and the loss on them."""

import pytest
import torch

from superficial.align.batches import TrainingExample, collate, epoch_batches
from superficial.align.loss import head_cross_entropy


@pytest.mark.parametrize("number", [1, 7, 8, 9, 40])
def test_an_epoch_holds_every_example_once_in_mixed_order(number: int):
    """Each example is known by its only response token."""
    examples = [TrainingExample([1], [index], [True], torch.zeros(1, 2)) for index in range(number)]
    batches = epoch_batches(examples, 8, 5)
    found = torch.cat([batch.targets for batch in batches]).tolist()
    assert sorted(found) == list(range(number))
    assert [len(batch.targets) for batch in batches[:-1]] == [8] * (len(batches) - 1)
    assert found != sorted(found) or number < 3
    again, other = epoch_batches(examples, 8, 5), epoch_batches(examples, 8, 6)
    assert torch.cat([batch.targets for batch in again]).tolist() == found
    assert torch.cat([batch.targets for batch in other]).tolist() != found or number < 7


def test_a_state_predicts_the_token_after_it():
    states = torch.arange(10.0).reshape(5, 2)
    first = TrainingExample([5, 6], [7, 8, 2], [True, False, True], states[:3])
    second = TrainingExample([5], [9, 2], [False, True], states[3:])
    batch = collate([first, second])
    assert batch.input_ids.tolist() == [[5, 6, 7, 8], [5, 9, 0, 0]]
    assert batch.mask.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert batch.targets.tolist() == [7, 8, 2, 9, 2]
    assert batch.taught.tolist() == [True, False, True, False, True]
    assert batch.ends.tolist() == [False, False, True, False, True]
    assert batch.input_ids.flatten()[batch.where].tolist() == [6, 7, 8, 5, 9]  # what is read right before each target
    assert torch.equal(batch.reference, states)


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_the_loss_and_its_gradient_are_those_of_torch(chunk: int):
    torch.manual_seed(0)
    states, reference, head = torch.randn(10, 6, requires_grad=True), torch.randn(10, 6), torch.randn(20, 6)
    targets, weights, shares = torch.randint(20, (10,)), torch.rand(10) + 0.5, torch.rand(10)
    one_hot = torch.nn.functional.one_hot(targets, 20)
    mixed = (1 - shares[:, None]) * one_hot + shares[:, None] * (reference @ head.T).softmax(dim=1)
    each = torch.nn.functional.cross_entropy(states @ head.T, mixed, reduction="none")
    wanted = (weights * each).sum() / weights.sum()
    (slope,) = torch.autograd.grad(wanted, states)
    found = head_cross_entropy(states, reference, head, targets, weights, shares, chunk)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(torch.autograd.grad(found, states)[0], slope)


def test_a_base_that_is_kept_whole_leaves_nothing_to_learn():
    """With the base's own distribution as the target, its own states are where the slope is zero."""
    states, head = torch.randn(4, 6, requires_grad=True), torch.randn(20, 6)
    ones = torch.ones(4)
    loss = head_cross_entropy(states, states.detach(), head, torch.zeros(4, dtype=torch.long), ones, ones)
    torch.testing.assert_close(torch.autograd.grad(loss, states)[0], torch.zeros(4, 6), atol=1e-6, rtol=0)
