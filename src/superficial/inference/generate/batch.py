"""The contexts that one model goes on from, a row each; a row may split in two, or end, and others may join.

Rows of a batch are aligned at their last token, [pad][prefix][rest], so that distances between columns are distances
between positions, which sliding windows are counted in. A row with a shorter rest reads the last tokens of the prefix
again instead of padding. Where rows join, the columns are counted anew, so that the longest row fills the first one.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache

from superficial.artifacts.errors import UserError
from superficial.inference.generate.cache import SPARE, check_kept, copy_prefix, new_cache, sliding_windows
from superficial.inference.generate.logits import NextLogits
from superficial.inference.shared_prefix import SharedPrefix
from superficial.models.load import LoadedModel
from superficial.models.screen import ScreenedLogits


class DecodingBatch:
    """One model's batch."""

    def __init__(self, loaded: LoadedModel, prefix: SharedPrefix, next_logits: NextLogits) -> None:
        """`prefix` is what all prompts start with."""
        self._loaded, self._prefix, self._next = loaded, prefix, next_logits
        self._cache: Cache
        self._width: int
        self._firsts: list[int]  # the column of each row's first token
        self._first_columns: torch.Tensor  # the same on the device, (B, 1)

    def start(self, prompts: Sequence[list[int]]) -> torch.Tensor:
        """Read the prompts: float32 logits (V, B) after the last token of each."""
        model, device, lengths = self._loaded.model, self._loaded.device, [len(prompt) for prompt in prompts]
        self._width, first = max(lengths), len(self._prefix.ids)
        query = self._width - first  # the columns that are fed stand after the prefix
        self._set_firsts([self._width - length for length in lengths])
        kept = [max(length - query, 0) for length in lengths]
        prefix = self._prefix.cache
        self._cache = new_cache(model) if prefix is None else copy_prefix(model, prefix, kept, query + SPARE)
        end, alone = self._loaded.end_ids[0], self._alone(prompts)
        ids = [[end] * (query - len(prompt)) + prompt[-query:] for prompt in prompts]
        logits = self._next(**self._inputs(torch.tensor(ids, device=device), first))
        check_kept(self._cache, self._width, self._loaded.manifest["name"])
        for row, expected in alone.items():
            self._check_padding(logits[:, row], expected)
        return logits

    def follow(self, parents: Sequence[int], tokens: Sequence[int] | torch.Tensor) -> torch.Tensor:
        """Row i becomes what row `parents[i]` was and `tokens[i]`: float32 logits (V, B) after that."""
        return self._next(**self._add(parents, tokens))

    def follow_likely(
        self, parents: Sequence[int], tokens: Sequence[int] | torch.Tensor
    ) -> torch.Tensor | ScreenedLogits:
        """As `follow`, but enough to choose the next token: logits up to an error where that takes less time."""
        return self._next.likely(**self._add(parents, tokens))

    def _add(self, parents: Sequence[int], tokens: Sequence[int] | torch.Tensor) -> dict[str, Any]:
        """What the model reads to make row i of what row `parents[i]` was and `tokens[i]`."""
        if list(parents) != list(range(len(self._firsts))):
            self._cache.reorder_cache(torch.tensor(list(parents)))  # type: ignore[arg-type]
            self._set_firsts([self._firsts[parent] for parent in parents])
        self._width += 1
        return self._inputs(torch.as_tensor(tokens, device=self._loaded.device)[:, None], self._width - 1)

    def join(self, prompts: Sequence[list[int]]) -> torch.Tensor:
        """Further rows behind those that there are; as `start`. Only for a model that `can_join`."""
        others = DecodingBatch(self._loaded, self._prefix, self._next)
        logits = others.start(prompts)
        width = max(one._width - min(one._firsts) for one in (self, others))
        for one in (self, others):
            one._align(width)
        own: Any
        for own, other in zip(self._cache.layers, others._cache.layers, strict=True):
            own.join(other)
        self._set_firsts(self._firsts + others._firsts)
        return logits

    def _align(self, width: int) -> None:
        """Count the columns so that there are `width` of them."""
        shift, self._width = width - self._width, width
        layer: Any
        for layer in self._cache.layers:
            layer.shift(shift)
        self._set_firsts([first + shift for first in self._firsts])

    def _set_firsts(self, firsts: list[int]) -> None:
        self._firsts = firsts
        self._first_columns = torch.tensor(firsts, device=self._loaded.device)[:, None]

    def _alone(self, prompts: Sequence[list[int]]) -> dict[int, torch.Tensor]:
        """Logits (V,) of the row with most padding, read without it: for a model with more states than a mask covers.

        First, because some keep such states in the model itself.
        """
        shortest = min(range(len(prompts)), key=lambda row: len(prompts[row]))
        if sliding_windows(self._loaded.model) is not None or len(prompts[shortest]) == self._width:
            return {}
        ids = torch.tensor([prompts[shortest]], device=self._loaded.device)
        return {shortest: self._next(input_ids=ids, use_cache=False)[:, 0]}

    def _check_padding(self, logits: torch.Tensor, expected: torch.Tensor) -> None:
        """Refuse a model whose states padding changes: rounding is far below these shares of the spread of logits."""
        allowed = 1e-2 if self._loaded.dtype == torch.float32 else 0.3
        if float((logits - expected).abs().max() / expected.std()) > allowed:
            name = self._loaded.manifest["name"]
            raise UserError(
                f"{name} answers otherwise where prompts of several lengths are read together",
                where=f"config/model/{name}.yaml",
                remedy="set runtime.generate_batch=1, so that it reads one at a time",
            )

    def _inputs(self, ids: torch.Tensor, column: int) -> dict[str, Any]:
        """What the model is called with to read `ids` (B, T), which stand from `column` on."""
        columns = torch.arange(self._width, device=ids.device)[None]
        return {
            "input_ids": ids,
            "attention_mask": (columns >= self._first_columns).long(),
            "position_ids": (columns[:, column:] - self._first_columns).clamp(min=0),
            "past_key_values": self._cache,
            "use_cache": True,
        }
