"""Numbers that say whether a run can be trusted, one row each."""

import numpy as np
import pandas as pd

from superficial.stats.bootstrap import Bootstrap, Floats
from superficial.stats.token_table import TokenTable

PER_TOKEN = ("kl_aligned_base", "kl_base_aligned", "js", "base_prob", "base_entropy", "aligned_entropy")


def summary(table: TokenTable, responses: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """Rows (measure, value, low, high): counts, means over tokens (nats where divergences), means over responses."""
    ids = responses["token_ids"]
    rows: list[tuple[str, float, float | None, float | None]] = [
        ("examples", table.examples, None, None),
        ("tokens", int(table.lengths.sum()), None, None),
    ]
    lengths = table.lengths[:, None].astype(np.float64)
    one = np.zeros_like(table.example)
    per_token = [("aligned_rank_1_share", "aligned_rank"), *((name, name) for name in PER_TOKEN)]
    for measure, column in per_token:
        value = table.column(column)
        value = value == 1 if column == "aligned_rank" else value
        rows.append((measure, *_interval(bootstrap, table.sums(one, 1, value.astype(np.float64)), lengths)))
    per_response = {
        "response_tokens": ids.map(len).to_numpy(),
        "stopped_share": (responses["finish_reason"] == "stop").to_numpy(),
        "repeated_8gram_share": ids.map(repeated_ngrams).to_numpy(),
        "looping_share": ids.map(is_loop).to_numpy(),
    }
    for measure, value in per_response.items():
        sums = value.astype(np.float64)[:, None]
        rows.append((measure, *_interval(bootstrap, sums, np.ones_like(sums))))
    return pd.DataFrame(rows, columns=["measure", "value", "low", "high"])


def _interval(bootstrap: Bootstrap, numerators: Floats, denominators: Floats) -> tuple[float, float, float]:
    estimate, low, high = bootstrap.ratio(numerators, denominators)
    return float(estimate[0]), float(low[0]), float(high[0])


def repeated_ngrams(tokens: np.ndarray, n: int = 8) -> float:
    """Share of the n-grams of `tokens` that occurred before in it; 0 for fewer than n tokens.

    >>> repeated_ngrams(np.arange(20))
    0.0
    >>> repeated_ngrams(np.array([1, 2] * 10))
    0.8461538461538461
    """
    grams = [tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def is_loop(tokens: np.ndarray) -> bool:
    """A response loops when more than half of its 8-grams are repetitions."""
    return repeated_ngrams(tokens) > 0.5
