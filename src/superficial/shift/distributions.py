"""Two next-token distributions, compared exactly over the whole vocabulary (paper, section 2.1)."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import torch

from superficial.inference.threads import TorchThreads
from superficial.models.head import LMHead

BLOCK = 2048  # vocabulary entries that are worked on while they lie in the processor's cache
GROUP = 32  # of these only the highest logit is kept when the top candidates are looked for; divides BLOCK
NOTHING = -1e30  # logit of the rows that fill the last group up: no probability, and yet finite


@dataclass(frozen=True)
class HeadAndStates:
    """One model under one context: its head, and its states (N, H) at N response positions."""

    head: LMHead
    states: torch.Tensor


@dataclass(frozen=True)
class DistributionSummary:
    """What one side says at N positions; `token` is the response token that was emitted there."""

    rank: torch.Tensor  # (N,) 1 + number of tokens that are more probable than the emitted one
    ties: torch.Tensor  # (N,) number of other tokens that are exactly as probable
    prob: torch.Tensor  # (N,) of the emitted token
    entropy: torch.Tensor  # (N,) nats
    top_ids: torch.Tensor  # (N, K) most probable first
    top_probs: torch.Tensor  # (N, K)


@dataclass(frozen=True)
class Contrast:
    """Both views and the divergences between them, in nats over the full vocabulary, softmax in float32."""

    base: DistributionSummary
    aligned: DistributionSummary
    kl_aligned_base: torch.Tensor  # (N,) KL(aligned || base)
    kl_base_aligned: torch.Tensor  # (N,) KL(base || aligned)
    js: torch.Tensor  # (N,) Jensen-Shannon divergence


class Workspace:
    """Two buffers of logits (V, N), allocated once and reused: the only large memory of a comparison."""

    def __init__(self, positions: int, vocabulary: int, device: torch.device) -> None:
        rows = -(-vocabulary // GROUP) * GROUP
        self._buffers = torch.empty(2, rows * positions, dtype=torch.float32, device=device)
        self._shape = rows, vocabulary
        self._own = threading.local()
        self.workers = TorchThreads(device)

    def views(self, positions: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Both buffers for `positions` columns; rows beyond the vocabulary hold NOTHING."""
        rows, vocabulary = self._shape
        base, aligned = (buffer[: rows * positions].view(rows, positions) for buffer in self._buffers)
        base[vocabulary:], aligned[vocabulary:] = NOTHING, NOTHING
        return base, aligned

    def scratch(self, rows: int, positions: int) -> torch.Tensor:
        """Four small buffers (4, rows, positions), other ones in every thread."""
        if getattr(self._own, "positions", None) != positions:
            size = min(BLOCK, self._shape[0])
            self._own.buffers = torch.empty(4, size, positions, device=self._buffers.device)
            self._own.positions = positions
        found: torch.Tensor = self._own.buffers
        return found[:, :rows]


class Workspaces:
    """One workspace at a time: another size takes the place of the one before, whose memory is free then."""

    def __init__(self, vocabulary: int, device: torch.device) -> None:
        self._vocabulary, self._device = vocabulary, device
        self._held: dict[int, Workspace] = {}

    def of(self, positions: int) -> Workspace:
        """The one for up to so many positions."""
        if positions not in self._held:
            self._held.clear()
            self._held[positions] = Workspace(positions, self._vocabulary, self._device)
        return self._held[positions]


class _Logits:
    """Logits (V, N) of one side, with what passes over them yield."""

    above: torch.Tensor  # (N,) number of logits above that of the emitted token
    equal: torch.Tensor  # (N,) number of logits equal to it, itself included
    sum: torch.Tensor  # (N,) of exp(l - high), as all sums in float64
    weighted: torch.Tensor  # (N,) sum of exp(l - high) * (l - high)
    gap: torch.Tensor  # (N,) sum of exp(l - high) * (own - other logit, each minus its high)

    def __init__(
        self, side: HeadAndStates, buffer: torch.Tensor, tokens: torch.Tensor, top_k: int, workers: TorchThreads
    ) -> None:
        self.values = buffer
        highest = _fill(side, buffer, workers)
        self.high = highest.amax(dim=0)
        self.gold = buffer.gather(0, tokens[None])[0]
        self.top_values, self.top_ids = self._top(highest, top_k)

    def _top(self, highest: torch.Tensor, top_k: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The highest logits and their tokens, each (N, K): they lie in the K groups of the highest `highest`."""
        groups = highest.T.topk(min(top_k, len(highest)), dim=1).indices
        tokens = (groups[:, :, None] * GROUP + torch.arange(GROUP, device=groups.device)).flatten(1)
        values, places = self.values.gather(0, tokens.T).T.topk(top_k, dim=1)
        return values, tokens.gather(1, places)

    def view(self) -> DistributionSummary:
        log_sum = self.sum.log()
        tops = (self.top_values - self.high[:, None]).double() - log_sum[:, None]
        return DistributionSummary(
            rank=1 + self.above.long(),
            ties=self.equal.long() - 1,
            prob=((self.gold - self.high).double() - log_sum).exp().float(),
            entropy=(log_sum - self.weighted / self.sum).clamp_min(0).float(),
            top_ids=self.top_ids,
            top_probs=tops.exp().float(),
        )


def contrast(
    base: HeadAndStates, aligned: HeadAndStates, tokens: torch.Tensor, top_k: int, workspace: Workspace
) -> Contrast:
    """Compare both sides at N positions where `tokens` (N,) were emitted.

    Sums over the vocabulary run block by block: each block is exponentiated while it is in cache, partial sums are
    added in float64. Divergences are differences of such sums, so their error is about
    1e-6 nats; they are cut at 0 and ln 2.
    """
    workers = workspace.workers
    left, right = (
        _Logits(side, buffer, tokens, top_k, workers)
        for side, buffer in zip((base, aligned), workspace.views(len(tokens)), strict=True)
    )
    _sum_up(left, right, workspace)
    log_ratio = left.sum.log() - right.sum.log()
    entropies = sum(side.sum.log() - side.weighted / side.sum for side in (left, right))
    js = _mixture_entropy(left, right, workspace) - entropies / 2
    return Contrast(
        base=left.view(),
        aligned=right.view(),
        kl_aligned_base=(right.gap / right.sum + log_ratio).clamp_min(0).float(),
        kl_base_aligned=(left.gap / left.sum - log_ratio).clamp_min(0).float(),
        js=js.clamp(0, torch.log(torch.tensor(2.0)).item()).float(),
    )


def divergence(base: HeadAndStates, aligned: HeadAndStates, workspace: Workspace) -> torch.Tensor:
    """KL(aligned || base) (N,) alone, in nats: that of `contrast` to the bit, without what the rest of it costs."""
    sides, buffers = (base, aligned), workspace.views(len(base.states))
    highs = [_fill(side, one, workspace.workers).amax(dim=0) for side, one in zip(sides, buffers, strict=True)]

    def sums(block: slice) -> torch.Tensor:
        left, right, gap, _ = workspace.scratch(block.stop - block.start, len(base.states))
        for buffer, high, logits in zip(buffers, highs, (left, right), strict=True):
            torch.sub(buffer[block], high, out=logits)
        torch.sub(right, left, out=gap)
        weights = right.exp_()
        return torch.stack([left.exp_().sum(dim=0), weights.sum(dim=0), gap.mul_(weights).sum(dim=0)]).double()

    totals = reduce(torch.add, workspace.workers.map(sums, _blocks(len(buffers[0]))))
    found: torch.Tensor = totals[2] / totals[1] + (totals[0].log() - totals[1].log())
    return found.clamp_min(0).float()


def _fill(side: HeadAndStates, buffer: torch.Tensor, workers: TorchThreads) -> torch.Tensor:
    """Write the logits of `side` (V, N) into `buffer`: the highest of every GROUP of them, (V / GROUP, N)."""

    def fill(block: slice) -> torch.Tensor:
        side.head.fill(side.states, buffer, slice(block.start, min(block.stop, side.head.vocabulary)))
        return buffer[block].view(-1, GROUP, len(side.states)).amax(dim=1)

    return torch.cat([*workers.map(fill, _blocks(len(buffer)))])


def _sum_up(left: _Logits, right: _Logits, workspace: Workspace) -> None:
    """Fill in the sums of both sides. The buffers then hold exp(l - high)."""

    def sums(block: slice) -> torch.Tensor:
        *shifted, gap, product = workspace.scratch(block.stop - block.start, len(left.high))
        for side, logits in zip((left, right), shifted, strict=True):
            torch.sub(side.values[block], side.high, out=logits)
        torch.sub(*shifted, out=gap)
        found = []
        for side, logits in zip((left, right), shifted, strict=True):
            # Ones in float32, because they are added up faster than truth values; a block is short enough to be exact.
            for against in (torch.gt, torch.eq):
                found.append(against(side.values[block], side.gold, out=product).sum(dim=0))
            weights = torch.exp(logits, out=side.values[block])
            found.append(weights.sum(dim=0))
            found += [torch.mul(weights, factor, out=product).sum(dim=0) for factor in (logits, gap)]
        return torch.stack(found).double()

    totals = reduce(torch.add, workspace.workers.map(sums, _blocks(len(left.values))))
    left.above, left.equal, left.sum, left.weighted, left.gap = totals[:5]
    right.above, right.equal, right.sum, right.weighted, gap = totals[5:]
    right.gap = -gap


def _mixture_entropy(left: _Logits, right: _Logits, workspace: Workspace) -> torch.Tensor:
    """Entropy (N,) of the mean of both distributions, from the weights that the buffers hold by now."""
    scales = [(0.5 / side.sum).float() for side in (left, right)]

    def entropy(block: slice) -> torch.Tensor:
        mixture, logs, *_ = workspace.scratch(block.stop - block.start, len(left.high))
        torch.mul(left.values[block], scales[0], out=mixture).addcmul_(right.values[block], scales[1])
        # Below the smallest normal float the product is 0 anyway; the bound keeps 0 * log 0 from becoming nan.
        return -torch.clamp_min(mixture, 1e-37, out=logs).log_().mul_(mixture).sum(dim=0).double()

    return reduce(torch.add, workspace.workers.map(entropy, _blocks(len(left.values))))


def _blocks(vocabulary: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, vocabulary)) for start in range(0, vocabulary, BLOCK))
