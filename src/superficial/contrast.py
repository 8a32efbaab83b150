"""Two next-token distributions, compared exactly over the whole vocabulary (paper, section 2.1)."""

from dataclasses import dataclass

import torch

from superficial.head import Head

BLOCK = 8192  # vocabulary entries that are worked on while they lie in the processor's cache


@dataclass(frozen=True)
class Side:
    """One model under one context: its head, and its states (N, H) at N response positions."""

    head: Head
    states: torch.Tensor


@dataclass(frozen=True)
class SideView:
    """What one side says at N positions; `token` is the response token that was emitted there."""

    rank: torch.Tensor  # (N,) 1 + number of tokens that are more probable than the emitted one
    prob: torch.Tensor  # (N,) of the emitted token
    entropy: torch.Tensor  # (N,) nats
    top_ids: torch.Tensor  # (N, K) most probable first
    top_probs: torch.Tensor  # (N, K)


@dataclass(frozen=True)
class Contrast:
    """Both views and the divergences between them, in nats over the full vocabulary, softmax in float32."""

    base: SideView
    aligned: SideView
    kl_aligned_base: torch.Tensor  # (N,) KL(aligned || base)
    kl_base_aligned: torch.Tensor  # (N,) KL(base || aligned)
    js: torch.Tensor  # (N,) Jensen-Shannon divergence


class Workspace:
    """The two logit buffers (N, V), allocated once and reused: the only large memory of a comparison."""

    def __init__(self, positions: int, vocabulary: int, device: torch.device) -> None:
        self._buffers = [torch.empty(positions, vocabulary, dtype=torch.float32, device=device) for _ in range(2)]

    def views(self, positions: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Both buffers, cut to (positions, V)."""
        base, aligned = (buffer[:positions] for buffer in self._buffers)
        return base, aligned


class _Logits:
    """Logits of one side, with what a single pass over them yields."""

    def __init__(self, side: Side, buffer: torch.Tensor, tokens: torch.Tensor, top_k: int) -> None:
        self.values = buffer
        tops = [side.head.fill(side.states, buffer, block).amax(dim=1) for block in _blocks(buffer.shape[1])]
        self.high = torch.stack(tops).amax(dim=0)[:, None]  # (N, 1)
        self.gold = buffer.gather(1, tokens[:, None])  # (N, 1)
        self.top = buffer.topk(top_k, dim=1)
        self.above = torch.zeros(buffer.shape[0], dtype=torch.long, device=buffer.device)
        self.sum = torch.zeros(buffer.shape[0], dtype=torch.float64, device=buffer.device)
        self.weighted = torch.zeros_like(self.sum)  # sum of exp(l - high) * (l - high)
        self.gap = torch.zeros_like(self.sum)  # sum of exp(l - high) * (own - other logit, each minus its high)

    def view(self) -> SideView:
        log_sum = self.sum.log()
        tops = (self.top.values - self.high).double() - log_sum[:, None]
        return SideView(
            rank=1 + self.above,
            prob=((self.gold - self.high)[:, 0].double() - log_sum).exp().float(),
            entropy=(log_sum - self.weighted / self.sum).clamp_min(0).float(),
            top_ids=self.top.indices,
            top_probs=tops.exp().float(),
        )


def contrast(base: Side, aligned: Side, tokens: torch.Tensor, top_k: int, workspace: Workspace) -> Contrast:
    """Compare both sides at N positions where `tokens` (N,) were emitted.

    Sums over the vocabulary run block by block: each block is exponentiated while it is in cache, partial sums are
    added in float64. Divergences are differences of such sums, so their error is about
    1e-6 nats; they are cut at 0 and ln 2.
    """
    buffers = workspace.views(len(tokens))
    sides = [_Logits(side, buffer, tokens, top_k) for side, buffer in zip((base, aligned), buffers, strict=True)]
    left, right = sides
    for block in _blocks(left.values.shape[1]):
        for side in sides:
            side.above += torch.count_nonzero(side.values[:, block] > side.gold, dim=1)
        shifted = [side.values[:, block].sub_(side.high) for side in sides]
        gap = shifted[0] - shifted[1]
        for side, logits, sign in zip(sides, shifted, (1, -1), strict=True):
            weights = logits.exp()
            side.sum += weights.sum(dim=1)
            side.weighted += torch.linalg.vecdot(weights, logits)
            side.gap += sign * torch.linalg.vecdot(weights, gap)
            logits.copy_(weights)
    log_ratio = left.sum.log() - right.sum.log()
    entropies = sum(side.sum.log() - side.weighted / side.sum for side in sides)
    js = _mixture_entropy(left, right) - entropies / 2
    return Contrast(
        base=left.view(),
        aligned=right.view(),
        kl_aligned_base=(right.gap / right.sum + log_ratio).clamp_min(0).float(),
        kl_base_aligned=(left.gap / left.sum - log_ratio).clamp_min(0).float(),
        js=js.clamp(0, torch.log(torch.tensor(2.0)).item()).float(),
    )


def _mixture_entropy(left: _Logits, right: _Logits) -> torch.Tensor:
    """Entropy (N,) of the mean of both distributions, from the weights that the buffers hold by now."""
    entropy = torch.zeros_like(left.sum)
    scales = [(0.5 / side.sum).float()[:, None] for side in (left, right)]
    for block in _blocks(left.values.shape[1]):
        mixture = left.values[:, block] * scales[0]
        mixture.addcmul_(right.values[:, block], scales[1])
        # Below the smallest normal float the product is 0 anyway; the bound keeps 0 * log 0 from becoming nan.
        entropy -= torch.linalg.vecdot(mixture.clamp_min(1e-37).log_(), mixture)
    return entropy


def _blocks(vocabulary: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, vocabulary)) for start in range(0, vocabulary, BLOCK)]
