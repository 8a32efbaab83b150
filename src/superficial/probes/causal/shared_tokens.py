"""The tokens that both models of a pair have: only these are chosen, by their places (shift/pair/pairing.py)."""

from collections.abc import Mapping

import numpy as np
import torch

from superficial.models.load import LoadedModel
from superficial.probes.causal.rule import SIDES, Side
from superficial.shift.pair.pairing import Pairing


class SharedTokens:
    """Ids of places in both models; for a pair that shares its whole vocabulary places are ids."""

    def __init__(self, pairing: Pairing, models: Mapping[Side, LoadedModel]) -> None:
        ids = {"base": pairing.base_ids, "aligned": pairing.aligned_ids}
        self._ids = None if pairing.exact else {side: torch.from_numpy(ids[side]) for side in SIDES}
        # A response ends with an end token of either model, no matter which model chose it.
        self.ends = frozenset(
            int(place) for side in SIDES for place in np.flatnonzero(np.isin(ids[side], models[side].end_ids))
        )

    def logits(self, side: Side, logits: torch.Tensor) -> torch.Tensor:
        """From the rows of the model's head (V, B) to places (S, B)."""
        return logits if self._ids is None else logits[self._ids[side].to(logits.device)]

    def id(self, side: Side, place: int) -> int:
        """What the model is fed for a place."""
        return place if self._ids is None else int(self._ids[side][place])
