"""What one model says of each token that it read: log-probability, rank, and who stands above it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from superficial.artifacts.progress import progress
from superficial.models.head import LMHead
from superficial.shift.blocks import TOKENS
from superficial.shift.compare import in_halves


@dataclass(frozen=True)
class TokenScores:
    """At N positions, over the model's own whole vocabulary."""

    logprob: NDArray[np.float64]  # (N,) nats
    rank: NDArray[np.int64]  # (N,) 1 + number of tokens that are more probable
    foreign: NDArray[np.int64]  # (N,) how many of those the other model does not have


Pieces = Iterable[tuple[torch.Tensor, torch.Tensor]]  # states (n, H) of some positions, and the tokens (n,) there


def token_scores(head: LMHead, pieces: Pieces, shared: torch.Tensor, chunk: int, count: int) -> TokenScores:
    """The view of N = `count` tokens that come in pieces, `chunk` positions at a time.

    `shared` (V,) is true for tokens that both models have. One buffer of logits (V, chunk) is the large memory.
    """
    halving = in_halves()
    foreign = ~shared.to(head.weight.device)[:, None]
    parts: list[torch.Tensor] = [torch.empty(3, 0, dtype=torch.float64)]
    with torch.inference_mode(), progress("comparing", count, "tokens") as bar:
        for states, tokens in _chunks(pieces, chunk):
            for found in halving.parts(partial(_scored, head, foreign, states, tokens), len(tokens), chunk):
                parts.append(found)
                bar.update(found.shape[1])
    logprob, rank, outside = torch.cat(parts, dim=1).numpy()
    return TokenScores(logprob, rank.astype(np.int64), outside.astype(np.int64))


def _scored(
    head: LMHead, foreign: torch.Tensor, states: torch.Tensor, tokens: torch.Tensor, part: slice
) -> torch.Tensor:
    """Log-probability, rank, and foreign tokens above, each of the n tokens of `part`: (3, n)."""
    device = head.weight.device
    here = tokens[part].to(device)
    buffer = torch.empty(head.vocabulary, len(here), dtype=torch.float32, device=device)
    logits = head.fill(states[part].to(device), buffer, slice(0, head.vocabulary))  # (V, n)
    gold, high = logits.gather(0, here[None])[0], logits.amax(dim=0)
    above = logits > gold
    ranks, others = 1 + above.sum(dim=0), (above & foreign).sum(dim=0)
    total = logits.sub_(high).exp_().sum(dim=0, dtype=torch.float64)
    return torch.stack([(gold - high).double() - total.log(), ranks.double(), others.double()]).cpu()


def _chunks(pieces: Pieces, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The same positions, `size` at a time; the last time fewer."""
    held: list[tuple[torch.Tensor, torch.Tensor]] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += len(piece[1])
        if count >= max(size, TOKENS):
            states, tokens = map(torch.cat, zip(*held, strict=True))
            whole = count - count % size
            yield from zip(torch.split(states[:whole], size), torch.split(tokens[:whole], size), strict=True)
            held, count = [(states[whole:].clone(), tokens[whole:])], count - whole
    if count:
        states, tokens = map(torch.cat, zip(*held, strict=True))
        yield from zip(torch.split(states, size), torch.split(tokens, size), strict=True)
