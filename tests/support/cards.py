"""Cards that are not there: what torch says of them is made up."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch


class Cards:
    """Cards of `totals` bytes of which others hold `taken`; this process holds what `allocated` says."""

    def __init__(self, totals: Sequence[float], taken: Sequence[float] = ()) -> None:
        self.totals, self.taken = list(totals), list(taken) or [0.0] * len(totals)
        self.allocated = [0.0] * len(self.totals)

    def show(self, patch: pytest.MonkeyPatch) -> "Cards":
        """From now on torch sees these."""

        def number(card: object = None) -> int:
            return 0 if card is None else torch.device(card).index or 0 if not isinstance(card, int) else card

        def info(card: object = None) -> tuple[float, float]:
            at = number(card)
            return self.totals[at] - self.taken[at] - self.allocated[at], self.totals[at]

        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "device_count", lambda: len(self.totals))
        patch.setattr(torch.cuda, "mem_get_info", info)
        for name in ("memory_allocated", "memory_reserved"):
            patch.setattr(torch.cuda, name, lambda card=None: self.allocated[number(card)])
        return self


def no_room(patch: pytest.MonkeyPatch, name: str, rows: Callable[..., int], most: int) -> list[int]:
    """Let the function `name` run out of memory with more than `most` rows, as `rows` counts them; returns the refused."""
    module, _, function = name.rpartition(".")
    real, refused = getattr(importlib.import_module(module), function), []

    def full(*given: Any) -> Any:
        if (count := rows(*given)) > most:
            refused.append(count)
            raise torch.OutOfMemoryError
        return real(*given)

    patch.setattr(name, full)
    return refused
