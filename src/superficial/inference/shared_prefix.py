"""What all prompts start with is read once, and every row of a batch goes on from a copy of its keys and values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicCache

from superficial.inference.generate.cache import check_kept, copy_prefix, sliding_windows
from superficial.models.head import model_body
from superficial.models.load import LoadedModel

WORTH = 16  # tokens: a shorter prefix is not read on its own


@dataclass(frozen=True)
class SharedPrefix:
    """Tokens that every row starts with, and the model's keys and values for them; none: every row is read whole."""

    ids: list[int]
    cache: Cache | None = None
    fed: int = 0  # tokens that the model was given to read it

    @classmethod
    def read(
        cls, loaded: LoadedModel, prompts: Sequence[list[int]], known: "SharedPrefix | None" = None
    ) -> "SharedPrefix":
        """Read what `prompts` share in at most one forward pass of one row; what `known` holds of it is copied."""
        shared = shared_prefix(loaded, prompts)
        if not shared:
            return cls([])
        cache = DynamicCache()  # without the config: sliding layers would forget what a row's first tokens look at
        start = known._begin(cache, shared) if known else 0
        if start < len(shared):
            model_body(loaded.model)(
                input_ids=torch.tensor([shared[start:]], device=loaded.device), past_key_values=cache, use_cache=True
            )
            check_kept(cache, len(shared), loaded.manifest["name"])
        return cls(shared, cache, len(shared) - start)

    def _begin(self, cache: Cache, ids: list[int]) -> int:
        """Copy into the empty `cache` what is known of `ids`: how many of them."""
        count = len(common_prefix([self.ids, ids]))
        layer: Any
        for index, layer in enumerate(self.cache.layers if self.cache and count else ()):
            cache.update(layer.keys[:, :, :count], layer.values[:, :, :count], index)
        return count

    def before(self, model: Any, mask: torch.Tensor) -> dict[str, Any]:
        """Arguments of a forward pass over what follows the prefix, right-padded; `mask` (B, T) is 1 at tokens."""
        if self.cache is None:
            return {"attention_mask": mask, "use_cache": False}
        rows, width = mask.shape
        first = len(self.ids)
        return {
            "attention_mask": torch.cat([mask.new_ones(rows, first), mask], dim=1),
            "position_ids": torch.arange(first, first + width, device=mask.device)[None].expand(rows, width),
            "past_key_values": copy_prefix(model, self.cache, [first] * rows, width),
            "use_cache": True,
        }


def shared_prefix(loaded: LoadedModel, prompts: Sequence[list[int]]) -> list[int]:
    """The tokens that all prompts start with, where reading them once is worth it; each prompt keeps one of its own.

    Empty too for a model whose cache cannot be copied from row to row.
    """
    if len(prompts) < 2:
        return []
    shared = common_prefix(prompts)[: min(map(len, prompts)) - 1]
    return shared if len(shared) >= WORTH and sliding_windows(loaded.model) is not None else []


def common_prefix(prompts: Sequence[list[int]]) -> list[int]:
    """What all prompts start with.

    >>> common_prefix([[2, 5, 6], [2, 5, 7, 8], [2, 5]])
    [2, 5]
    """
    first, last = min(prompts), max(prompts)  # in the order of their ids, everything else lies between these two
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((at for at, (one, other) in pairs if one != other), min(len(first), len(last)))]
