"""Keys and values of a batch, written in place; rows that share a prefix start from one copy of its cache."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from superficial.artifacts.errors import UserError

SPARE = 128  # columns by which the memory of a layer grows: appending one column would copy all of them at every step


class BatchCacheLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """Keys and values of one layer, each (rows, heads, columns, width).

    Column c of the batch stands at `c - _base`. A layer with a sliding window shows a query only the columns that the
    window of its first token reaches, as transformers' own sliding layer does, and forgets the others when it grows.
    """

    keys: Any  # torch.Tensor; transformers declares that it may be None
    values: Any

    def __init__(self, window: int | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.is_sliding = window is not None
        self._window = window
        self._length = self._base = 0

    def start(self, keys: torch.Tensor, values: torch.Tensor, kept: Sequence[int], room: int) -> None:
        """Begin with the first `kept[i]` columns of a prefix (1, heads, P, width) in row i, right-aligned at column P.

        `room` columns will follow soon. Columns on the left that a row does not fill are zero, never arbitrary memory:
        the mask gives them weight 0, and 0 times NaN would not be 0.
        """
        self._length = keys.shape[2]
        self._base = self._first()
        self.keys, self.values = (
            part.new_zeros(len(kept), part.shape[1], self._length - self._base + room, part.shape[3])
            for part in (keys, values)
        )
        for row, count in enumerate(kept):
            pad = self._length - count
            left = max(pad, self._base)
            for own, part in ((self.keys, keys), (self.values, values)):
                own[row, :, left - self._base : self._length - self._base] = part[0, :, left - pad : count]
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Take memory for rows like these."""
        room = key_states.shape[2] + SPARE
        self.keys, self.values = (
            part.new_empty(*part.shape[:2], room, part.shape[3]) for part in (key_states, value_states)
        )
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append columns (rows, heads, new, width); returns all that the new tokens may look at."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        first, end = self._first(), self._length + key_states.shape[2]
        if end - self._base > self.keys.shape[2]:
            self._grow(first, end + SPARE)
        at, stop = self._length - self._base, end - self._base
        self.keys[:, :, at:stop], self.values[:, :, at:stop] = key_states, value_states
        self._length = end
        seen = slice(first - self._base, stop)
        return self.keys[:, :, seen], self.values[:, :, seen]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Number of columns that `update` will return for a query of this length, and the first of them."""
        return self._length + query_length - self._first(), self._first()

    def get_seq_length(self) -> int:
        """Columns written so far, forgotten ones included."""
        return self._length

    def get_max_length(self) -> int:
        """No limit."""
        return -1

    def _first(self) -> int:
        return 0 if self._window is None else max(self._length - self._window + 1, 0)

    def _grow(self, first: int, end: int) -> None:
        old = slice(first - self._base, self._length - self._base)
        for name in ("keys", "values"):
            part = getattr(self, name)
            grown = part.new_empty(*part.shape[:2], end - first, part.shape[3])
            grown[:, :, : self._length - first] = part[:, :, old]
            setattr(self, name, grown)
        self._base = first


def sliding_windows(model: Any) -> list[int | None] | None:
    """The sliding window of each layer, None for full attention; None for a model that keeps more than keys and values.

    Such a model (recurrent states, keys that layers share) runs with the cache that transformers makes for it.
    """
    layers = DynamicCache(config=model.config).layers
    if any(type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers):
        return None
    return [getattr(layer, "sliding_window", None) for layer in layers]


def new_cache(model: Any) -> Cache:
    """An empty cache for a batch."""
    found = sliding_windows(model)
    return DynamicCache(config=model.config) if found is None else Cache(layers=[BatchCacheLayer(one) for one in found])


def check_kept(cache: Cache, tokens: int, model: str) -> None:
    """Refuse a model that read `tokens` and put no keys and values of them into the `cache` it was given.

    It keeps what it read elsewhere (Mamba, RWKV), and would go on as if it had read nothing.
    """
    try:
        kept = cache.get_seq_length()
    except ValueError:  # no layer of this cache is for keys and values
        kept = 0
    if kept != tokens:
        raise UserError(
            f"{model} keeps what it has read elsewhere than in a cache of keys and values: it cannot be decoded here",
            where=f"config/model/{model}.yaml",
            remedy="take a model with attention layers, or let a server answer (engine=openai_server)",
        )


def copy_prefix(model: Any, prefix: Cache, kept: Sequence[int], room: int) -> Cache:
    """A cache of `len(kept)` rows in which row i holds the first `kept[i]` tokens of `prefix`, a cache of one row."""
    layers: list[Any] = []
    layer: Any
    for layer, window in zip(prefix.layers, sliding_windows(model) or [], strict=True):
        rows = BatchCacheLayer(window)
        rows.start(layer.keys, layer.values, kept, room)
        layers.append(rows)
    return Cache(layers=layers)
