"""Cross-entropy through a frozen LM head without ever holding all logits."""

from typing import Any

import torch

from superficial.models.product import product


class HeadCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy under a frozen linear head, with the gradient for the states.

    The target of a token is its one-hot vector, mixed with the distribution that the base gives at the same place. With
    a vocabulary of 262k the logits of one batch would take gigabytes, twice. The gradient of the loss with respect to
    the states is known in closed form, weight * (softmax - target) @ W, so both are made chunk by chunk in the forward
    pass.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        reference: torch.Tensor,
        head: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor,
        shares: torch.Tensor,
        chunk: int,
    ) -> torch.Tensor:
        """As `head_cross_entropy`; the result is the weighted sum over N."""
        total = states.new_zeros((), dtype=torch.float64)
        grad = torch.empty_like(states)
        for start in range(0, states.shape[0], chunk):
            part = slice(start, start + chunk)
            share, weight = shares[part, None], weights[part, None]
            target = _logits(reference[part], head).softmax(dim=1).mul_(share)  # (n, V)
            target.scatter_add_(1, targets[part, None], 1 - share)
            logits = _logits(states[part], head)  # (n, V)
            high = logits.amax(dim=1, keepdim=True)
            logits.sub_(high)
            expected = torch.linalg.vecdot(target, logits)[:, None]
            sums = logits.exp_().sum(dim=1, keepdim=True)
            total += (weight * (sums.log() - expected)).sum().double()
            logits.div_(sums).sub_(target)
            grad[part] = weight * product(logits.to(head.dtype), head)
        ctx.save_for_backward(grad)
        return total.float()

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradient for the states only; head and reference are frozen."""
        (grad,) = ctx.saved_tensors
        return grad * outer[0], None, None, None, None, None, None


def _logits(states: torch.Tensor, head: torch.Tensor) -> torch.Tensor:
    """float32 logits (n, V) of states (n, H); in half precision with the vocabulary first, for smaller blocks."""
    return product(states, head.T) if head.dtype == torch.float32 else product(head, states.T).T


def head_cross_entropy(
    states: torch.Tensor,
    reference: torch.Tensor,
    head: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor,
    shares: torch.Tensor,
    chunk: int = 256,
) -> torch.Tensor:
    """Weighted mean cross-entropy in nats of N tokens under states (N, H) @ head (V, H) transposed.

    `shares` (N,) in 0..1 is how much of a token's target is the distribution softmax(reference @ head.T) of the base;
    the rest is `targets` (N,). `reference` is (N, H), `weights` (N,).
    """
    arguments = states, reference, head, targets, weights, shares, chunk
    summed: torch.Tensor = HeadCrossEntropy.apply(*arguments)  # type: ignore[no-untyped-call]
    return summed / weights.sum()
