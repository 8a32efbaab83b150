"""The contexts that one model goes on from, a row each; a row may split in two, or end.

Rows of a batch are aligned at their last token, [pad][prefix][rest], so that distances between columns are distances
between positions, which sliding windows are counted in. A row with a shorter rest reads the last tokens of the prefix
again instead of padding.
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


class DecodingBatch:
    """One model's batch."""

    def __init__(self, loaded: LoadedModel, prefix: SharedPrefix, next_logits: NextLogits, room: int) -> None:
        """`prefix` is what all prompts start with; `room` is how many tokens may follow them."""
        self._loaded, self._prefix, self._next, self._room = loaded, prefix, next_logits, room
        self._cache: Cache
        self._mask: torch.Tensor  # (B, limit)
        self._positions: torch.Tensor  # (B, limit)
        self._width: int

    def start(self, prompts: Sequence[list[int]]) -> torch.Tensor:
        """Read the prompts: float32 logits (V, B) after the last token of each."""
        model, device, lengths = self._loaded.model, self._loaded.device, [len(prompt) for prompt in prompts]
        self._width, first = max(lengths), len(self._prefix.ids)
        limit, query = self._width + self._room, self._width - first  # the columns that are fed stand after the prefix
        pads = torch.tensor([self._width - length for length in lengths])[:, None]
        self._mask = (torch.arange(limit)[None] >= pads).long().to(device)
        self._positions = (torch.arange(limit)[None] - pads).clamp(min=0).to(device)
        kept = [max(length - query, 0) for length in lengths]
        prefix = self._prefix.cache
        self._cache = new_cache(model) if prefix is None else copy_prefix(model, prefix, kept, query + SPARE)
        end, alone = self._loaded.end_ids[0], self._alone(prompts)
        logits = self._forward([[end] * (query - len(prompt)) + prompt[-query:] for prompt in prompts], first)
        check_kept(self._cache, self._width, self._loaded.manifest["name"])
        for row, expected in alone.items():
            self._check_padding(logits[:, row], expected)
        return logits

    def follow(self, parents: Sequence[int], tokens: Sequence[int]) -> torch.Tensor:
        """Row i becomes what row `parents[i]` was and `tokens[i]`: float32 logits (V, B) after that."""
        if list(parents) != list(range(len(self._mask))):
            chosen: Any = torch.tensor(list(parents), dtype=torch.long, device=self._loaded.device)
            self._cache.reorder_cache(chosen)
            self._mask, self._positions = self._mask[chosen], self._positions[chosen]
        self._width += 1
        return self._forward([[token] for token in tokens], self._width - 1)

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

    def _forward(self, ids: list[list[int]], column: int) -> torch.Tensor:
        return self._next(
            input_ids=torch.tensor(ids, device=self._loaded.device),
            attention_mask=self._mask[:, : self._width],
            position_ids=self._positions[:, column : self._width],
            past_key_values=self._cache,
            use_cache=True,
        )
