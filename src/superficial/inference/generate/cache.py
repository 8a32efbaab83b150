"""Keys and values of a batch, written in place; rows that share a prefix start from one copy of its cache.

Rows that leave and rows that join move alone: a copy of all rows would take as long as a pass of a small model.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from superficial.artifacts.errors import UserError

SPARE = 128  # columns by which the memory of a layer grows: appending one column would copy all of them at every step


class BatchCacheLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """Keys and values of one layer, each (places, heads, columns, width); the first `_rows` places are taken.

    Column c of the batch stands at `c - _base`. A layer with a sliding window shows a query only the columns that the
    window of its first token reaches, as transformers' own sliding layer does, and forgets the others when it grows.
    What no row has filled is zero or a former row's, never arbitrary memory: the mask gives it weight 0, and 0 times
    NaN would not be 0.
    """

    keys: Any  # torch.Tensor; transformers declares that it may be None
    values: Any

    def __init__(self, window: int | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.is_sliding = window is not None
        self._window = window
        self._rows = self._length = self._base = 0

    def start(self, keys: torch.Tensor, values: torch.Tensor, kept: Sequence[int], room: int) -> None:
        """Begin with the first `kept[i]` columns of a prefix (1, heads, P, width) in row i, right-aligned at column P.

        `room` columns will follow soon.
        """
        self._rows, self._length = len(kept), keys.shape[2]
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
        self._rows, room = len(key_states), key_states.shape[2] + SPARE
        self.keys, self.values = (
            part.new_zeros(*part.shape[:2], room, part.shape[3]) for part in (key_states, value_states)
        )
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append columns (rows, heads, new, width); returns all that the new tokens may look at."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        first, end = self._first(), self._length + key_states.shape[2]
        self._reserve(self._rows, first, end)
        at, stop, rows = self._length - self._base, end - self._base, self._rows
        self.keys[:rows, :, at:stop], self.values[:rows, :, at:stop] = key_states, value_states
        self._length = end
        seen = slice(first - self._base, stop)
        return self.keys[:rows, :, seen], self.values[:rows, :, seen]

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Row i becomes what row `beam_idx[i]` was; where no row is needed that another one replaces, in place."""
        parents: list[int] = beam_idx.tolist()
        moved = {at: parent for at, parent in enumerate(parents) if at != parent}
        if len(parents) > len(self.keys) or not moved.keys().isdisjoint(moved.values()):
            chosen = beam_idx.to(self.keys.device)
            self.keys, self.values = self.keys.index_select(0, chosen), self.values.index_select(0, chosen)
        else:
            for part in (self.keys, self.values):
                for at, parent in moved.items():
                    part[at] = part[parent]
        self._rows = len(parents)

    def shift(self, columns: int) -> None:
        """Count the columns from another one on: so many come before the first one, or less than 0 are forgotten."""
        self._length += columns
        self._base += columns

    def join(self, other: "BatchCacheLayer") -> None:
        """The rows of `other`, whose last column is ours, come behind our own."""
        rows, left = self._rows + other._rows, other._left()
        self._reserve(rows, min(self._first(), left), self._length)
        at, found = (slice(left - one._base, one._length - one._base) for one in (self, other))
        for own, part in ((self.keys, other.keys), (self.values, other.values)):
            own[self._rows : rows, :, at] = part[: other._rows, :, found]
        self._rows = rows

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

    def _left(self) -> int:
        """The first column that is looked at and that there is."""
        return max(self._first(), self._base)

    def _reserve(self, rows: int, first: int, end: int) -> None:
        """Have places for so many rows and for the columns from `first` to before `end`."""
        if rows <= len(self.keys) and self._base <= first and end - self._base <= self.keys.shape[2]:
            return
        left = self._left()
        old, new = slice(left - self._base, self._length - self._base), slice(left - first, self._length - first)
        for name in ("keys", "values"):
            part = getattr(self, name)
            places = max(rows, len(part))
            grown = part.new_zeros(places, part.shape[1], end + SPARE - first, part.shape[3])
            grown[: self._rows, :, new] = part[: self._rows, :, old]
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


def can_join(model: Any) -> bool:
    """Whether rows can join a batch of this model: all that it keeps of them are keys and values, row by row."""
    return sliding_windows(model) is not None


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
