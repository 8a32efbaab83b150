"""Numbers that say whether a run can be trusted, one row each."""

import numpy as np
import pandas as pd

from superficial.stats.bootstrap import Bootstrap, Floats


def summary(table: pd.DataFrame, responses: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """Rows (measure, value, low, high): means over tokens or responses with their intervals."""
    ids = responses["token_ids"]
    row = pd.factorize(table["example_id"])[0]
    per_token = {
        "aligned_rank_1_share": table["aligned_rank"].to_numpy() == 1,
        "kl_aligned_base_nats": table["kl_aligned_base"].to_numpy(),
        "base_prob": table["base_prob"].to_numpy(),
    }
    per_response = {
        "response_tokens": ids.map(len).to_numpy(),
        "stopped_share": (responses["finish_reason"] == "stop").to_numpy(),
        "repeated_8gram_share": ids.map(repeated_ngrams).to_numpy(),
        "looping_share": ids.map(is_loop).to_numpy(),
    }
    tokens = np.bincount(row).astype(np.float64)[:, None]
    rows: list[tuple[str, float, float | None, float | None]] = [
        ("examples", len(responses), None, None),
        ("tokens", len(table), None, None),
    ]
    for measure, value in per_token.items():
        sums = np.bincount(row, weights=value.astype(np.float64))[:, None].astype(np.float64)
        rows.append((measure, *_interval(bootstrap, sums, tokens)))
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
