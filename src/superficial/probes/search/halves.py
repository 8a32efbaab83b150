"""Two halves of the instructions: one to search on, one to test what was found."""

import pandas as pd

from superficial.artifacts.files import digest

HALVES = ("search", "test")


def split(data: pd.DataFrame, examples: int | None, seed: int) -> dict[str, list[str]]:
    """Ids of each half, by HALVES: both have the categories in the shares of the data; an odd one goes to the search.

    `examples` bounds both together.
    """
    drawn = data.assign(draw=[digest([seed, example]) for example in data["id"]]).sort_values("draw")
    within = drawn.groupby("category")
    drawn["place"] = within.cumcount()
    drawn["share"] = (drawn["place"] // 2 * 2 + 1) / within["id"].transform("size")  # pairs stay together
    drawn = drawn.sort_values(["share", "category", "place"], kind="stable").head(examples or len(drawn))
    return {name: drawn.loc[drawn["place"] % 2 == at, "id"].sort_index().tolist() for at, name in enumerate(HALVES)}
