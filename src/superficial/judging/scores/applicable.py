"""What it means that a judge found an aspect not applicable."""

import pandas as pd

from superficial.judging.judges.parse import verdict

NOT_APPLICABLE = verdict("N/A", "").unscored


def count_na(judgments: pd.DataFrame, *, as_five: bool) -> pd.DataFrame:
    """Judgments (score, unscored) in which N/A is unscored, or 5 as in the published code (just-eval, `report`)."""
    if not as_five:
        return judgments
    applies = judgments["unscored"] != NOT_APPLICABLE
    return judgments.assign(
        score=judgments["score"].where(applies, 5.0), unscored=judgments["unscored"].where(applies, "")
    )
