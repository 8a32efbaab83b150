"""Which tokens may have the best logits: a product in bfloat16, with a bound of its error, leaves a few of them.

Greedy decoding asks for the best token alone. On a processor that multiplies in bfloat16 (AMX, AVX512-BF16) such a
product takes a sixth of the time of the one in float32 (measured at B = 40, V = 262,144).
The bound holds for every state and token, so the best token in float32 is always among those that are left.
"""

from dataclasses import dataclass

import torch

from superficial.models.head import LMHead

BLOCK = 65_536  # rows
ROUNDING = 2.0**-9  # of a number that is rounded to bfloat16, relative


@dataclass(frozen=True)
class ScreenedLogits:
    """Logits of B positions, up to an error.

    `logits` (V, B) are bfloat16, rounded from numbers that differ by at most `error` (B,) from those of `head` after
    `states` (B, H).
    """

    logits: torch.Tensor
    error: torch.Tensor
    states: torch.Tensor
    head: LMHead

    def __len__(self) -> int:
        return self.logits.shape[1]

    def floor(self, best: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
        """Below which (B,) no logit can be the best, where `best` (B,) is the largest of those that were found.

        Two were rounded, the best one and the one that is asked about, each up to twice (a penalty rounds again).
        """
        return best - 2 * error - 8 * ROUNDING * (best.abs() + 2 * error)


@dataclass(frozen=True)
class Screen:
    """The `weight` (V, H) of a head in bfloat16, the norm of its longest row, the most that one lost in rounding."""

    head: LMHead
    weight: torch.Tensor
    longest: torch.Tensor
    lost: torch.Tensor

    @classmethod
    def of(cls, head: LMHead) -> "Screen | None":
        """None where it gains nothing, or where more follows the product than the bound knows of."""
        weight = head.weight
        plain = head.bias is None and head.scale == 1.0 and head.softcap is None
        if not (plain and weight.dtype == torch.float32 and weight.device.type == "cpu" and multiplies_fast()):
            return None
        short = weight.bfloat16()
        starts = range(0, len(weight), BLOCK)  # a difference of the whole would be one more copy of the head
        lost = [(weight[at : at + BLOCK] - short[at : at + BLOCK].float()).norm(dim=1).amax() for at in starts]
        return cls(head, short, weight.norm(dim=1).amax(), torch.stack(lost).amax())

    def __call__(self, states: torch.Tensor) -> ScreenedLogits:
        """Logits after float32 states (B, H)."""
        short = states.bfloat16()
        cut, length = (states - short.float()).norm(dim=1), states.norm(dim=1)
        # By Cauchy and Schwarz; the last part is what adding up H products in float32 may lose.
        error = cut * self.longest + (length + cut) * self.lost
        error += length * self.longest * states.shape[1] * torch.finfo(torch.float32).eps
        return ScreenedLogits(torch.mm(self.weight, short.T), error, states, self.head)


def multiplies_fast() -> bool:
    """Whether this processor multiplies in bfloat16 as it does in float32, and not by way of it."""
    found = torch.cpu.get_capabilities()
    return any(found.get(name) for name in ("amx_bf16", "avx512_bf16"))
