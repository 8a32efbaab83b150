"""What a sidecar says about a whole token table, added up part by part."""

import pandas as pd


class Totals:
    """Counts, means and maxima over all rows that were seen."""

    def __init__(self) -> None:
        self._tokens = self._first = 0
        self._tied = dict.fromkeys(("base", "aligned"), 0)
        self._excluded = dict.fromkeys(("base_excluded", "aligned_excluded"), (0.0, 0.0))  # sum and maximum

    def see(self, part: pd.DataFrame) -> None:
        """Further rows."""
        self._tokens += len(part)
        self._first += int((part["aligned_rank"] == 1).sum())
        for side in self._tied:
            self._tied[side] += int((part[f"{side}_ties"] > 0).sum())
        for name, (total, most) in self._excluded.items():
            self._excluded[name] = (
                total + float(part[name].to_numpy().sum(dtype=float)),
                max(most, float(part[name].max())),
            )

    def facts(self) -> dict[str, float]:
        """By the names that they have in the sidecar."""
        found: dict[str, float] = {"tokens": self._tokens, "aligned_rank_1_share": self._first / self._tokens}
        for name, (total, most) in self._excluded.items():
            found |= {f"{name}_mean": float(total / self._tokens), f"{name}_max": most}
        return found | {f"{side}_tied_tokens": count for side, count in self._tied.items()}
