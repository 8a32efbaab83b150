"""What each row of a batch has read or written: a repetition penalty asks for it."""

from collections.abc import Sequence

import torch


class SeenTokens:
    """Ids by row, as `chosen` takes them."""

    def __init__(self, most: int, device: torch.device) -> None:
        """`most`: tokens of a row."""
        self.ids = torch.zeros(0, most, dtype=torch.long, device=device)  # (B, S); a row's first id fills what is left
        self._lengths = torch.zeros(0, 1, dtype=torch.long, device=device)

    def join(self, prompts: Sequence[list[int]]) -> None:
        """Rows that have read these, behind the others."""
        device, most = self.ids.device, self.ids.shape[1]
        ids = torch.tensor([ids + ids[:1] * (most - len(ids)) for ids in prompts], device=device)
        self.ids = torch.cat([self.ids, ids])
        self._lengths = torch.cat([self._lengths, torch.tensor([[len(ids)] for ids in prompts], device=device)])

    def add(self, tokens: torch.Tensor) -> None:
        """Each row wrote one more, `tokens` (B,)."""
        self.ids.scatter_(1, self._lengths, tokens[:, None])
        self._lengths += 1

    def keep(self, rows: list[int]) -> None:
        """Row i becomes what row `rows[i]` was."""
        self.ids, self._lengths = self.ids[rows], self._lengths[rows]
