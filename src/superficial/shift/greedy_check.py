"""Are the responses the aligned model's own? When it reads its greedy response, it must choose each token again."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import sidecar_of

# The share of tokens that must have rank 1. In half precision a pass over the whole response rounds otherwise than the
# steps that decoded it, so close calls fall differently.
BOUNDS = {"torch.float32": 0.99, "torch.float16": 0.97, "torch.bfloat16": 0.95}
SERVED = 0.8  # of a server's answers: it rounds in its own way, and gives texts, not tokens
SPARED = 2  # up to this many tokens may differ, however short the responses are


@dataclass(frozen=True)
class ResponseOrigin:
    """How responses were written, as far as their sidecar tells."""

    greedy: bool = True  # no repetition penalty
    bound: float = BOUNDS["torch.bfloat16"]  # where nothing is known, they may come from anywhere

    @classmethod
    def read(cls, responses: Path) -> "ResponseOrigin":
        """From the sidecar beside the file of responses."""
        path = sidecar_of(responses)
        if not path.is_file():
            return cls()
        meta = json.loads(path.read_text(encoding="utf-8"))
        greedy = meta["config"]["decoding"]["repetition_penalty"] == 1.0
        return cls(greedy, SERVED if meta["config"]["server"] else BOUNDS[meta["dtype"]])


class Chain:
    """The responses of `model` as their token table shows them, part by part, each of whole responses.

    Fewer than `least` tokens that are its first choice stop the run. Without `least`, the bound of the dtype holds;
    with a repetition penalty there is no bound.
    """

    def __init__(self, dtype: torch.dtype, model: str, responses: Path, least: float | None = None) -> None:
        written = ResponseOrigin.read(responses)
        if least is None:
            least = min(written.bound, BOUNDS[str(dtype)]) if written.greedy else 0.0
        self._dtype, self._model, self._responses, self._least = dtype, model, responses, least
        self._tokens = self._missed = 0
        self._first: pd.Series[Any] | None = None  # row of the first token that is not, in a response with too many

    def see(self, part: pd.DataFrame) -> None:
        """Further responses."""
        missed = part["aligned_rank"] > 1
        self._tokens += len(part)
        self._missed += int(missed.sum())
        if self._first is None:
            share = 1 - missed.groupby(part["example_id"], sort=False).transform("mean")
            broken = part[missed & (share < self._least)]
            self._first = broken.iloc[0] if len(broken) else None

    def check(self) -> None:
        """Stop where the chain of all that was seen is broken, or where nothing was seen."""
        if not self._tokens:
            raise UserError(
                "no response has a token, so that nothing can be compared",
                where=str(self._responses),
                remedy="see what the model was asked: python -m superficial prompt",
            )
        share, first = 1 - self._missed / self._tokens, self._first
        if share >= self._least or self._missed <= SPARED or first is None:
            return
        raise UserError(
            f"{self._model} wrote these responses, and when it reads them only {share:.1%} of the tokens are its first"
            f" choice ({self._least:.0%} or more in {str(self._dtype).removeprefix('torch.')}); the first that is not:"
            f" instruction {first['example_id']}, position {first['position']}, {first['token']!r}. Likely causes: its"
            " chat template or its prompt is not the one that it was asked with, or its weights or its tokenizer"
            " changed since",
            where=str(self._responses),
            remedy="delete that file and run the same command again; or let it pass: compare.least_first_choices=0",
        )
