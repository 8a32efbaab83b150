"""Cross-entropy through a frozen LM head without ever holding all logits."""

from typing import Any

import torch

from superficial.models.product import product


class HeadCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy of `targets` under a frozen linear head, with the gradient for the states.

    With a vocabulary of 262k the logits of one batch would take gigabytes, twice. The gradient of the loss with respect
    to the states is known in closed form, weight * (softmax - one-hot) @ W, so both are made chunk by chunk in the
    forward pass.
    """

    @staticmethod
    def forward(
        ctx: Any, states: torch.Tensor, head: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, chunk: int
    ) -> torch.Tensor:
        """States (N, H), head (V, H), targets (N,), weights (N,) -> loss () in nats, the weighted sum over N."""
        total = states.new_zeros((), dtype=torch.float64)
        grad = torch.empty_like(states)
        for start in range(0, states.shape[0], chunk):
            part = slice(start, start + chunk)
            logits = _logits(states[part], head)  # (n, V)
            wanted, weight = targets[part, None], weights[part, None]
            high = logits.amax(dim=1, keepdim=True)
            gold = logits.gather(1, wanted) - high
            sums = logits.sub_(high).exp_().sum(dim=1, keepdim=True)
            total += (weight * (sums.log() - gold)).sum().double()
            logits.div_(sums).scatter_add_(1, wanted, torch.full_like(gold, -1.0))
            grad[part] = weight * product(logits.to(head.dtype), head)
        ctx.save_for_backward(grad)
        return total.float()

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor, None, None, None, None]:
        """Gradient for the states only; the head is frozen."""
        (grad,) = ctx.saved_tensors
        return grad * outer[0], None, None, None, None


def _logits(states: torch.Tensor, head: torch.Tensor) -> torch.Tensor:
    """float32 logits (n, V) of states (n, H); in half precision with the vocabulary first, for smaller blocks."""
    return product(states, head.T) if head.dtype == torch.float32 else product(head, states.T).T


def head_cross_entropy(
    states: torch.Tensor, head: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, chunk: int = 256
) -> torch.Tensor:
    """Weighted mean cross-entropy in nats of targets (N,) under states (N, H) @ head (V, H) transposed."""
    arguments = states, head, targets, weights, chunk
    summed: torch.Tensor = HeadCrossEntropy.apply(*arguments)  # type: ignore[no-untyped-call]
    return summed / weights.sum()
