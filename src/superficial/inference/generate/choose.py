"""The next token of greedy decoding."""

import torch

TIE = 1e-5  # best and second logit nearer than this, relative to max(1, |best|): rounding may decide in float32
GROUP = 512  # tokens whose maximum is taken at once: one argmax over the whole vocabulary takes eight times as long


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


def chosen(
    logits: torch.Tensor, seen: torch.Tensor, penalty: float, tie: float = TIE
) -> tuple[torch.Tensor, torch.Tensor]:
    """The best token (B,) of each row (of equals the first), and whether (B,) the second was as good up to rounding.

    `logits` (V, B) float32 are changed in place, because a copy of them takes longer than all that is done here. `seen`
    (B, S) holds ids that the row has read or written, at least one and in any number. The penalty is transformers':
    a positive logit is divided by it, a negative one multiplied, once however often the token was seen.
    """
    if penalty != 1.0:
        found = logits.gather(0, seen.T)
        logits.scatter_(0, seen.T, penalised(found, penalty))
    size, rows = logits.shape
    whole = size // GROUP
    best_of = [logits[: whole * GROUP].view(whole, GROUP, rows).amax(dim=1)]
    if size % GROUP:
        best_of.append(logits[whole * GROUP :].amax(dim=0, keepdim=True))
    groups = torch.cat(best_of)  # (groups, B)
    best, group = groups.max(dim=0)
    members = group * GROUP + torch.arange(GROUP, device=logits.device)[:, None]  # (GROUP, B) token ids
    members.clamp_(max=size - 1)  # the last group may be short
    within = logits.gather(0, members)
    tokens = members.gather(0, within.argmax(dim=0, keepdim=True))
    groups.scatter_(0, group[None], within.masked_fill(members == tokens, -torch.inf).amax(dim=0, keepdim=True))
    near = best - groups.amax(dim=0) <= tie * best.abs().clamp(min=1.0)
    return tokens[0], near


def penalised(logits: torch.Tensor, penalty: float) -> torch.Tensor:
    """Logits of tokens that were read or written before, of any shape, under a repetition penalty."""
    return torch.where(logits < 0, logits * penalty, logits / penalty)
