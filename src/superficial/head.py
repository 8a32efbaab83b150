"""The LM head on its own: from final hidden states to logits, as the model does it."""

from dataclasses import dataclass
from typing import Any

import torch

from superficial.errors import UserError


@dataclass(frozen=True)
class Head:
    """logits = softcap(scale * (states @ weight.T + bias)); weight (V, H), bias (V,) or None."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    scale: float
    softcap: float | None

    @classmethod
    def of(cls, model: Any) -> "Head":
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
        """Write the logits of states (N, H) for a block of `tokens` into that block of (N, V), and return it."""
        block = logits[:, tokens]
        if self.weight.dtype == torch.float32:
            torch.mm(states, self.weight[tokens].T, out=block)
        else:
            block.copy_(states @ self.weight[tokens].T)  # logits are float32 whatever the weights are
        if self.bias is not None:
            block.add_(self.bias[tokens])
        if self.scale != 1.0:
            block.mul_(self.scale)
        if self.softcap is not None:
            block.div_(self.softcap).tanh_().mul_(self.softcap)
        return block

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """float32 logits (N, V) of states (N, H)."""
        logits = torch.empty(states.shape[0], self.vocabulary, dtype=torch.float32, device=states.device)
        return self.fill(states, logits, slice(0, self.vocabulary))


def check_head(head: Head, states: torch.Tensor, logits: torch.Tensor, model: str) -> None:
    """Stop if `head` does less than the model: states (N, H) against the model's own logits (N, V).

    The tolerance is rounding: 1e-4 of the spread of the logits in float32, 2e-2 in half precision.
    """
    own = logits.float()
    tolerance = (1e-4 if logits.dtype == torch.float32 else 2e-2) * float(own.std())
    error = float((head.logits(states) - own).abs().max())
    if error > tolerance:
        raise UserError(
            f"the LM head of {model} does more than weight, bias, scale and soft-capping: "
            f"recomputed logits differ by {error:.3g}",
            where="score",
            remedy="this architecture is not supported; teach superficial/head.py what its head does",
        )
