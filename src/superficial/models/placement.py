"""On which cards models lie: what is free there decides."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from superficial.artifacts.errors import UserError
from superficial.models.memory import USABLE

OTHERS = 0.97  # of what other processes leave free: they may take a little more
BESIDE = 1.25  # a model with what its work takes, relative to its weights
FULLEST = 0.97  # weights that several cards hold, relative to their room: layers leave gaps, work needs some, too
LAYERS = 0.05  # of the room of a card: what a layer that is not cut takes beyond the card's share
NEGLIGIBLE = 0.1  # a card with less room than this share of the emptiest one gets no layers


@dataclass(frozen=True)
class Place:
    """Where a model lies. `limits`: bytes of its weights on each card that it is laid over; empty: all on `device`."""

    device: torch.device  # takes its inputs
    limits: dict[int, int] = field(default_factory=dict)

    @property
    def cards(self) -> list[int]:
        """Numbers of the cards; none on a processor."""
        if self.device.type != "cuda":
            return []
        return list(self.limits) or [self.device.index or 0]

    @property
    def arguments(self) -> dict[str, Any]:
        """For `from_pretrained`: weights are read straight to their card, without a copy in main memory."""
        if self.device.type == "cpu":
            return {}
        if self.limits:
            return {"device_map": "sequential", "max_memory": self.limits}
        return {"device_map": {"": self.device}}


def usable(card: int) -> float:
    """Bytes that this process may have in all: of an idle card a fixed share, so that equal cards say the same."""
    free, total = torch.cuda.mem_get_info(card)
    return min(USABLE * total, OTHERS * (free + torch.cuda.memory_reserved(card)))


def pick_device(name: str) -> torch.device:
    """The device named, or the best one there is: of several cards the first."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def place(weights: Sequence[float], device: str, models: str) -> list[Place]:
    """Where models of so many bytes each lie when all are in memory at once; `device` is "auto" or a torch device.

    Each gets the card with most room where it finds enough; else all are laid over all cards. A UserError, which names
    the `models`, where the cards cannot hold the weights.
    """
    if device != "auto" or not torch.cuda.is_available():
        return [Place(pick_device(device))] * len(weights)
    room = _room()
    alone = _one_card_each(weights, room)
    if alone is not None:
        return [Place(torch.device("cuda", card)) for card in alone]
    cards = [card for card, free in enumerate(room) if free >= NEGLIGIBLE * max(room)]
    filled = sum(weights) / sum(room[card] for card in cards)  # of the room, by weights
    if filled > FULLEST:
        needs, there = (f"{size / 1e9:.1f} GB" for size in (sum(weights), sum(weights) / filled * FULLEST))
        raise UserError(
            f"{models}: {needs} of weights, and the cards have room for {there}",
            where="runtime.device",
            remedy="take more or larger cards, or runtime.device=cpu",
        )
    shares = [size / sum(weights) for size in weights]
    return [Place(torch.device("cuda", cards[0]), _limits(room, cards, share, filled)) for share in shares]


def _limits(room: Sequence[float], cards: Sequence[int], share: float, filled: float) -> dict[int, int]:
    """Bytes of one model on each card: in proportion to its room, so that all have some left for keys and values.

    Layers are laid one card after the other and are not cut; the last card takes what did not fit before it.
    """
    limits = {card: int(share * room[card] * min(1.0, filled + LAYERS)) for card in cards}
    limits[cards[-1]] = int(share * room[cards[-1]])
    return limits


def _room() -> list[float]:
    """Bytes of each card beside what this process has there already."""
    return [usable(card) - torch.cuda.memory_allocated(card) for card in range(torch.cuda.device_count())]


def _one_card_each(weights: Sequence[float], room: Sequence[float]) -> list[int] | None:
    """A card for each model, the largest model first; None where one finds no room."""
    left, found = list(room), [0] * len(weights)
    for model in sorted(range(len(weights)), key=lambda model: -weights[model]):
        card = left.index(max(left))
        left[card] -= BESIDE * weights[model]
        if left[card] < 0:
            return None
        found[model] = card
    return found
