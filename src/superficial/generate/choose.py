"""The next token of greedy decoding."""

import torch

TIE = 1e-5  # best and second logit nearer than this, relative to max(1, |best|): rounding may decide


def choose(logits: torch.Tensor, seen: torch.Tensor, penalty: float) -> tuple[list[int], list[bool]]:
    """The best token of each row, and whether the second best was as good up to rounding.

    `logits` (B, V) float32 are changed in place, because a copy of them takes longer than all that is done here. `seen`
    (B, S) holds ids that the row has read or written, at least one and in any number. The penalty is transformers':
    a positive logit is divided by it, a negative one multiplied, once however often the token was seen.

    >>> choose(torch.tensor([[2.0, 1.9, -1.0], [2.0, 1.0, 2.000001]]), torch.tensor([[0], [1]]), 1.1)
    ([1, 2], [False, True])
    """
    if penalty != 1.0:
        found = logits.gather(1, seen)
        logits.scatter_(1, seen, torch.where(found < 0, found * penalty, found / penalty))
    tokens = logits.argmax(dim=1, keepdim=True)
    best = logits.gather(1, tokens)[:, 0]
    logits.scatter_(1, tokens, -torch.inf)
    near = best - logits.amax(dim=1) <= TIE * best.abs().clamp(min=1.0)
    return tokens[:, 0].tolist(), near.tolist()
