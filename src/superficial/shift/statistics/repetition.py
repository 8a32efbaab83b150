"""How much a response repeats itself."""

import numpy as np

LOOP = 0.5  # a response loops when more than this share of its 8-grams are repetitions


def repeated_ngrams(tokens: np.ndarray, n: int = 8) -> float:
    """Share of the n-grams of `tokens` that occurred before in it; 0 for fewer than n tokens.

    >>> repeated_ngrams(np.arange(20))
    0.0
    >>> repeated_ngrams(np.array([1, 2] * 10))
    0.8461538461538461
    """
    raw = np.ascontiguousarray(tokens).tobytes()
    step = len(raw) // max(len(tokens), 1)  # bytes a token
    grams = [raw[start : start + n * step] for start in range(0, len(raw) - n * step + 1, step)] if raw else []
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
