"""Two halves of the instructions: one to search on, one to test what was found."""

from dataclasses import dataclass

import pandas as pd
import torch

from superficial.artifacts.files import digest
from superficial.artifacts.token_rows import content

HALVES = ("search", "test")


@dataclass(frozen=True, eq=False)  # two are the same half when they are the same object
class Half:
    """Responses of some instructions, and the aligned model's states at each of their tokens."""

    ids: list[str]
    responses: pd.DataFrame  # as the base reads them
    states: torch.Tensor  # (N, H) on the CPU

    @property
    def lengths(self) -> list[int]:
        """Response tokens of each instruction that count."""
        return [len(tokens) for tokens in self.responses["token_ids"]]

    @property
    def key(self) -> str:
        """What of the aligned model is compared with, by content."""
        return content(self.states)


def half(ids: list[str], responses: pd.DataFrame, states: torch.Tensor, most: int | None) -> Half:
    """The responses of `ids`, in the order of `responses`, the first `most` tokens of each; `states` are of all."""
    parts = torch.split(states, [len(tokens) for tokens in responses["token_ids"]])
    chosen = responses["id"].isin(ids).to_numpy()
    kept = responses[chosen].assign(token_ids=lambda table: [list(tokens)[:most] for tokens in table["token_ids"]])
    rows = [part[:most] for part, taken in zip(parts, chosen, strict=True) if taken]
    return Half(kept["id"].tolist(), kept, torch.cat(rows))


def split(data: pd.DataFrame, examples: int | None, seed: int) -> dict[str, list[str]]:
    """Ids of each half, by HALVES: both hold the categories in their shares; an odd one out is searched on.

    `examples` bounds both together.
    """
    drawn = data.assign(draw=[digest([seed, example]) for example in data["id"]]).sort_values("draw")
    within = drawn.groupby("category")
    drawn["place"] = within.cumcount()
    drawn["share"] = (drawn["place"] // 2 * 2 + 1) / within["id"].transform("size")  # pairs stay together
    drawn = drawn.sort_values(["share", "category", "place"], kind="stable").head(examples or len(drawn))
    return {name: drawn.loc[drawn["place"] % 2 == at, "id"].sort_index().tolist() for at, name in enumerate(HALVES)}
