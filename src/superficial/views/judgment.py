"""What a judge said of one response, as pages and printed cases show it."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class ShownJudgment:
    """What the judge said of one aspect; `score` is NaN exactly where `unscored` says why."""

    score: float
    reason: str
    unscored: str

    @property
    def shown(self) -> str:
        """The score as people read it."""
        return f"{self.score:.3g}"


def judgments_by_aspect(table: pd.DataFrame) -> dict[str, ShownJudgment]:
    """Rows of one response in a table of judgments, in their order."""
    return {
        row["aspect"]: ShownJudgment(row["score"], row["reason"], row["unscored"]) for row in table.to_dict("records")
    }
