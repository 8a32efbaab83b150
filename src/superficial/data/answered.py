"""Which responses hold an answer: one that ends within its thinking holds none."""

import pandas as pd

NO_ANSWER = "there is no answer after the thinking"


def unanswered(responses: pd.DataFrame) -> "pd.Series[bool]":
    """Whether each response thinks and then says nothing; its budget ended within the thinking, or the model did."""
    if "thinking" not in responses:
        return pd.Series(False, index=responses.index)
    return responses["thinking"].notna() & (responses["text"].str.strip() == "")
