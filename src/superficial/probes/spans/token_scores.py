"""What one model says of each token that it read: log-probability, rank, and who stands above it."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from superficial.artifacts.progress import progress
from superficial.models.head import LMHead


@dataclass(frozen=True)
class TokenScores:
    """At N positions, over the model's own whole vocabulary."""

    logprob: NDArray[np.float64]  # (N,) nats
    rank: NDArray[np.int64]  # (N,) 1 + number of tokens that are more probable
    foreign: NDArray[np.int64]  # (N,) how many of those the other model does not have


def token_scores(
    head: LMHead, states: torch.Tensor, tokens: torch.Tensor, shared: torch.Tensor, chunk: int
) -> TokenScores:
    """The view of `tokens` (N,) after `states` (N, H), `chunk` positions at a time.

    `shared` (V,) is true for tokens that both models have. One buffer of logits (V, chunk) is the large memory.
    """
    device = head.weight.device
    foreign = ~shared.to(device)[:, None]
    parts: list[torch.Tensor] = [torch.empty(3, 0, dtype=torch.float64)]
    with torch.inference_mode(), progress("comparing", len(tokens), "tokens") as bar:
        for start in range(0, len(tokens), chunk):
            here = tokens[start : start + chunk].to(device)
            buffer = torch.empty(head.vocabulary, len(here), dtype=torch.float32, device=device)
            logits = head.fill(states[start : start + chunk].to(device), buffer, slice(0, head.vocabulary))  # (V, n)
            gold, high = logits.gather(0, here[None])[0], logits.amax(dim=0)
            above = logits > gold
            ranks, others = 1 + above.sum(dim=0), (above & foreign).sum(dim=0)
            total = logits.sub_(high).exp_().sum(dim=0, dtype=torch.float64)
            parts.append(torch.stack([(gold - high).double() - total.log(), ranks.double(), others.double()]).cpu())
            bar.update(len(here))
    logprob, rank, outside = torch.cat(parts, dim=1).numpy()
    return TokenScores(logprob, rank.astype(np.int64), outside.astype(np.int64))
