"""The LM head on its own: from final hidden states to logits, as the model does it."""

import math
import threading
from dataclasses import dataclass, replace
from typing import Any

import torch

from superficial.artifacts.errors import UserError
from superficial.models.product import product


@dataclass(frozen=True)
class LMHead:
    """logits = softcap(scale * (states @ weight.T + bias)); weight (V, H), bias (V,) or None.

    `outside` is the head of the rows that a cut left out.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    scale: float
    softcap: float | None
    outside: "LMHead | None" = None

    @classmethod
    def of(cls, model: Any) -> "LMHead":
        """The head of a transformers causal language model, with what its configuration does to the logits."""
        config = model.config.get_text_config()
        layer = model.get_output_embeddings()
        scale = getattr(config, "logit_scale", None) or 1 / (getattr(config, "logits_scaling", None) or 1.0)
        softcap = getattr(config, "final_logit_softcapping", None)
        return cls(layer.weight.detach(), getattr(layer, "bias", None), float(scale), softcap)

    @property
    def vocabulary(self) -> int:
        """V, the number of tokens that the head scores."""
        return self.weight.shape[0]

    def fill(self, states: torch.Tensor, logits: torch.Tensor, tokens: slice) -> torch.Tensor:
        """Write the logits of states (N, H) for a block of `tokens` into those rows of `logits` (V, N), and return it.

        The vocabulary comes first because that makes the product a third faster, measured at N = 256.
        """
        block = product(self.weight[tokens], states.T, out=logits[tokens])
        return self._finish(block, None if self.bias is None else self.bias[tokens, None])

    def _finish(self, logits: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """What comes after the product, in place."""
        if bias is not None:
            logits.add_(bias)
        if self.scale != 1.0:
            logits.mul_(self.scale)
        if self.softcap is not None:
            logits.div_(self.softcap).tanh_().mul_(self.softcap)
        return logits

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """float32 logits (N, V) of states (N, H)."""
        logits = torch.empty(self.vocabulary, states.shape[0], dtype=torch.float32, device=states.device)
        return self.fill(states, logits, slice(0, self.vocabulary)).T

    def logit(self, states: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """float32 logits (N,) of one token for each position: `tokens` (N,) after states (N, H)."""
        products = torch.bmm(states[:, None, :].float(), self.weight[tokens][:, :, None].float())[:, 0, 0]
        return self._finish(products, None if self.bias is None else self.bias[tokens])

    def cut(self, rows: torch.Tensor) -> "LMHead":
        """The head of some `rows` (S,) in this order, on the same device; what it leaves out is its `outside`."""
        left_out = torch.ones(self.vocabulary, dtype=torch.bool)
        left_out[rows] = False
        others = left_out.nonzero()[:, 0]
        return replace(self._only(rows), outside=self._only(others) if len(others) else None)

    def _only(self, rows: torch.Tensor) -> "LMHead":
        """Leading rows are a view of the weight, not a copy: a head may be half of a small model."""
        leading = torch.equal(rows, torch.arange(len(rows)))
        chosen = slice(0, len(rows)) if leading else rows.to(self.weight.device)
        return replace(self, weight=self.weight[chosen], bias=None if self.bias is None else self.bias[chosen])


def model_body(model: Any) -> Any:
    """The part of a transformers causal language model whose output its head reads."""
    return model.get_decoder()


def states_and_logits(model: Any, **inputs: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """One forward pass: final hidden states (B, T, H), and the model's own logits (B, 1, V) after the last column.

    Raises UserError when the model has no part that gives such states.
    """
    kept: list[torch.Tensor | None] = []
    me = threading.get_ident()  # other threads may be in the same model

    def keep(_module: Any, _args: Any, output: Any) -> None:
        if threading.get_ident() == me:
            kept.append(getattr(output, "last_hidden_state", None))

    hook = model_body(model).register_forward_hook(keep)
    try:
        logits: torch.Tensor = model(**inputs, logits_to_keep=1).logits
    finally:
        hook.remove()
    if not kept or kept[0] is None:
        raise _unsupported(f"{type(model).__name__} shows no final hidden states")
    return kept[0], logits


def own_head(model: Any, states: torch.Tensor, logits: torch.Tensor) -> LMHead | None:
    """The head of `model`; None where its logits of states (N, H) are not the model's own (N, V)."""
    head = LMHead.of(model)
    return head if head_error(head, states, logits) <= 1 else None


def head_error(head: LMHead, states: torch.Tensor, logits: torch.Tensor) -> float:
    """Largest difference of `head` on states (N, H) from the model's own logits (N, V); above 1 it is no rounding.

    The unit is 1e-4 of the spread of the logits in float32. In half precision it is two steps of the largest product:
    the model rounds it, and a card that splits the sum rounds every part. A scale and a soft-capping round once more.
    """
    dtype, device = head.weight.dtype, head.weight.device  # the last of several, where a model is laid over them
    own, states = logits.float().to(device), states.to(device)
    found = head.logits(states)
    if dtype == torch.float32:
        unit = 1e-4 * float(own.std())
    elif head.softcap is None and head.scale == 1.0:
        unit = 2 * float_step(float(found.abs().max()), dtype)
    else:
        products = replace(head, scale=1.0, softcap=None).logits(states)
        unit = 2 * head.scale * float_step(float(products.abs().max()), dtype) + float_step(
            float(found.abs().max()), dtype
        )
    return float((found - own).abs().max()) / (unit or torch.finfo(torch.float32).tiny)  # 0 where all logits are equal


def float_step(value: float, dtype: torch.dtype) -> float:
    """From a positive number to the next one that `dtype` has.

    >>> float_step(16.0, torch.bfloat16), float_step(31.9, torch.bfloat16), float_step(1.0, torch.float16)
    (0.125, 0.125, 0.0009765625)
    """
    return float(torch.finfo(dtype).eps * 2.0 ** (math.frexp(value)[1] - 1))


def check_head(head: LMHead, states: torch.Tensor, logits: torch.Tensor, model: str) -> None:
    """Stop if `head` does less than the model, or if there are no numbers: states (N, H), its own logits (N, V)."""
    check_finite(states, logits, model)
    error = head_error(head, states, logits)
    if error > 1:
        raise _unsupported(
            f"the LM head of {model} does more than weight, bias, scale and soft-capping: "
            f"recomputed logits differ by {error:.3g} times what rounding allows"
        )


def check_finite(states: torch.Tensor, logits: torch.Tensor, model: str) -> None:
    """Stop if there are no numbers: final hidden states (N, H), logits (N, V), which may rule tokens out (-inf)."""
    if not torch.isfinite(states).all() or torch.isnan(logits).any():
        raise UserError(
            f"{model} computes no finite numbers in {str(states.dtype).removeprefix('torch.')}",
            where=f"config/model/{model}.yaml",
            remedy="write dtype: float32 there, or dtype: bfloat16 for a card that has it; else mend its weights",
        )


def _unsupported(what: str) -> UserError:
    remedy = "this architecture is not supported; teach superficial/models/head.py what its head does"
    return UserError(what, where="score", remedy=remedy)
