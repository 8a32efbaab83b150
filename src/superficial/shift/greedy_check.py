"""Are the responses the aligned model's own? When it reads its greedy response, it must choose each token again."""

import json
from dataclasses import dataclass
from pathlib import Path

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


def check_greedy(
    table: pd.DataFrame, dtype: torch.dtype, model: str, responses: Path, least: float | None = None
) -> None:
    """Stop where fewer than `least` tokens of `table` (the token table of `responses`) are the first choice of `model`.

    Without `least`, the bound of the dtype holds; with a repetition penalty there is no bound.
    """
    written, missed = ResponseOrigin.read(responses), table["aligned_rank"] > 1
    if least is None:
        least = min(written.bound, BOUNDS[str(dtype)]) if written.greedy else 0.0
    share = 1 - missed.mean()
    if share >= least or missed.sum() <= SPARED:
        return
    by_response = 1 - missed.groupby(table["example_id"], sort=False).mean()
    broken = by_response.index[by_response < least][0]
    first = table[missed & (table["example_id"] == broken)].iloc[0]
    raise UserError(
        f"{model} wrote these responses, and when it reads them only {share:.1%} of the tokens are its first choice"
        f" ({least:.0%} or more in {str(dtype).removeprefix('torch.')}); the first that is not: instruction {broken},"
        f" position {first['position']}, {first['token']!r}. Likely causes: its chat template or its prompt is not the"
        " one that it was asked with, or its weights or its tokenizer changed since",
        where=str(responses),
        remedy="delete that file and run the same command again; or let it pass: compare.least_first_choices=0",
    )
