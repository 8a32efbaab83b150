"""Which tokens shift: the most frequent ones of each category (paper, figure 3)."""

import pandas as pd


def frequent_tokens(table: pd.DataFrame, top: int) -> pd.DataFrame:
    """The `top` tokens of each category by count: category, token_id, token, count, occurrences, rate.

    `occurrences` counts the token id in all responses, whatever its category; rate = count / occurrences.
    """
    keys = ["token_id", "token"]
    occurrences = table.groupby(keys).size().rename("occurrences").reset_index()
    counts = table.groupby(["category", *keys]).size().rename("count").reset_index()
    merged = counts.merge(occurrences, on=keys)
    merged["rate"] = merged["count"] / merged["occurrences"]
    # Ties are ordered by id, so that equal runs give equal tables.
    merged = merged.sort_values(["category", "count", "rate", "token_id"], ascending=[True, False, False, True])
    return merged.groupby("category").head(top).reset_index(drop=True)
