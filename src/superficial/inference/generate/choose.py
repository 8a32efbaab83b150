"""The next token of greedy decoding."""

from collections.abc import Sequence

import torch

from superficial.models.screen import ScreenedLogits

TIE = 1e-5  # best and second logit nearer than this, relative to max(1, |best|): rounding may decide in float32
GROUP = 512  # tokens whose maximum is taken at once, a power of two: one argmax over all takes eight times as long
FEW = 64  # groups of a row in which the best token may be; where one stands out there are one to six


def tie_margin(dtype: torch.dtype) -> float:
    """What `choose` takes for a near tie where a model computes in `dtype`: in half precision a quarter of a step.

    The logits are not rounded, but the states that they are made from are. A whole step would flag a tenth of all
    tokens. So another batch changes more tokens near this margin than far from it, and now and then one beyond it.

    >>> tie_margin(torch.float32), tie_margin(torch.bfloat16)
    (1e-05, 0.001953125)
    """
    return TIE if dtype == torch.float32 else torch.finfo(dtype).eps / 4


def choose_tokens(
    logits: torch.Tensor, seen: torch.Tensor, penalty: float, tie: float = TIE
) -> tuple[list[int], list[bool]]:
    """What `chosen` finds, as lists: on a card whoever asks waits until it is computed.

    >>> choose_tokens(torch.tensor([[2.0, 1.9, -1.0], [2.0, 1.0, 2.000001]]).T, torch.tensor([[0], [1]]), 1.1)
    ([1, 2], [False, True])
    """
    tokens, near = chosen(logits, seen, penalty, tie)
    return tokens.tolist(), near.tolist()


def chosen_of(
    parts: Sequence[torch.Tensor | ScreenedLogits], seen: torch.Tensor, penalty: float, tie: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """As `chosen`, for rows whose logits come in parts."""
    sizes = [len(part) if isinstance(part, ScreenedLogits) else part.shape[1] for part in parts]
    found = []
    for part, ids in zip(parts, torch.split(seen, sizes), strict=True):
        choose = chosen_among_likely if isinstance(part, ScreenedLogits) else chosen
        found.append(choose(part, ids, penalty, tie))  # type: ignore[arg-type]
    tokens, near = zip(*found, strict=True)
    return torch.cat(tokens), torch.cat(near)


def chosen(
    logits: torch.Tensor, seen: torch.Tensor, penalty: float, tie: float = TIE
) -> tuple[torch.Tensor, torch.Tensor]:
    """The best token (B,) of each row (of equals the first), and whether (B,) the second was as good up to rounding.

    `logits` (V, B) float32 are changed in place, because a copy of them takes longer than all that is done here. `seen`
    (B, S) holds ids that the row has read or written, at least one and in any number. The penalty is transformers':
    a positive logit is divided by it, a negative one multiplied, once however often the token was seen.
    """
    if penalty != 1.0:
        logits.scatter_(0, seen.T, penalised(logits.gather(0, seen.T), penalty))
    size = logits.shape[0]
    groups = _largest(logits)
    best, group = groups.max(dim=0)
    members = group * GROUP + torch.arange(GROUP, device=logits.device)[:, None]  # (GROUP, B) token ids
    members.clamp_(max=size - 1)  # the last group may be short
    within = logits.gather(0, members)
    tokens = members.gather(0, within.argmax(dim=0, keepdim=True))
    groups.scatter_(0, group[None], within.masked_fill(members == tokens, -torch.inf).amax(dim=0, keepdim=True))
    near = best - groups.amax(dim=0) <= tie * best.abs().clamp(min=1.0)
    return tokens[0], near


def chosen_among_likely(
    screened: ScreenedLogits, seen: torch.Tensor, penalty: float, tie: float = TIE
) -> tuple[torch.Tensor, torch.Tensor]:
    """As `chosen`, from logits with an error: the few tokens that may be best, or near it, get their float32 logits."""
    logits, error = screened.logits, screened.error
    if penalty != 1.0:
        place = seen.T, torch.arange(len(screened))  # scatter_ would copy all logits of this dtype
        logits[place] = penalised(logits[place].float(), penalty).to(logits.dtype)
        error = error * max(penalty, 1 / penalty)
    groups = _largest(logits).float()
    highest = groups.amax(dim=0)
    floor = screened.floor(highest, error) - tie * (highest.abs() + 2 * error).clamp(min=1.0)
    group, row = (groups >= floor).nonzero(as_tuple=True)
    if len(group) > FEW * len(screened):  # nothing stands out: the product in float32 takes less memory and time
        return chosen(screened.head.logits(screened.states).T, seen, penalty, tie)
    members = group[:, None] * GROUP + torch.arange(GROUP)  # (found groups, GROUP) token ids
    inside = members < logits.shape[0]  # the last group may be short
    likely = (logits[members.where(inside, 0), row[:, None]] >= floor[row, None]) & inside
    tokens, row = members[likely], row[:, None].expand_as(members)[likely]
    exact = screened.head.logit(screened.states[row], tokens)
    if penalty != 1.0:
        exact = torch.where((seen[row] == tokens[:, None]).any(dim=1), penalised(exact, penalty), exact)
    best = _by_row(exact, row, len(screened))
    first = torch.full((len(screened),), logits.shape[0] - 1)
    first.scatter_reduce_(0, row, tokens.where(exact == best[row], logits.shape[0] - 1), "amin")
    second = _by_row(exact.masked_fill(tokens == first[row], -torch.inf), row, len(screened))
    return first, best - second <= tie * best.abs().clamp(min=1.0)


def _largest(logits: torch.Tensor) -> torch.Tensor:
    """The largest of each GROUP of tokens, (groups, B), from logits (V, B)."""
    size, rows = logits.shape
    whole = size // GROUP
    halved = logits[: whole * GROUP].view(whole, GROUP, rows)
    while halved.shape[1] > 1:  # in bfloat16 five times as fast as amax
        halved = torch.maximum(*halved.chunk(2, dim=1))
    found = [halved[:, 0]]
    if size % GROUP:
        found.append(logits[whole * GROUP :].amax(dim=0, keepdim=True))
    return torch.cat(found)


def _by_row(values: torch.Tensor, row: torch.Tensor, rows: int) -> torch.Tensor:
    """The largest of the values of each row, (rows,)."""
    return torch.full((rows,), -torch.inf).scatter_reduce_(0, row, values, "amax")


def penalised(logits: torch.Tensor, penalty: float) -> torch.Tensor:
    """Logits of tokens that were read or written before, of any shape, under a repetition penalty."""
    return torch.where(logits < 0, logits * penalty, logits / penalty)
