"""How far two judges agree beyond chance: Cohen's kappa with quadratic weights, resampled over instructions."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from superficial.config.schema import IntervalsConfig
from superficial.shift.statistics.bootstrap import Bootstrap, Floats


def confusions(ids: Sequence[str], one: Floats, other: Floats, levels: int) -> Floats:
    """Counts (E, K, K) by instruction of the level (0..K-1) that each of two judges gave; half levels count halfway."""
    names, example = np.unique(np.asarray(ids), return_inverse=True)
    counts = np.zeros((len(names), levels, levels))
    for place, left, right in zip(example, one, other, strict=True):
        for i, share_i in _parts(left):
            for j, share_j in _parts(right):
                counts[place, i, j] += share_i * share_j
    return counts


def _parts(level: float) -> list[tuple[int, float]]:
    low = int(np.floor(level))
    return [(low, 1 - (level - low))] + ([(low + 1, level - low)] if level > low else [])


def kappa(counts: Floats) -> Floats:
    """Cohen's kappa (R,) of confusions (R, K, K), weighted by squared distance; 1 is agreement, 0 is chance.

    NaN where both judges gave one and the same level throughout: nothing can be said then.
    """
    levels = counts.shape[1]
    distance = np.subtract.outer(np.arange(levels), np.arange(levels)) ** 2
    total = counts.sum(axis=(1, 2))
    chance = np.einsum("ri,rj->rij", counts.sum(axis=2), counts.sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = (chance * distance).sum(axis=(1, 2)) / total
        result: Floats = 1 - (counts * distance).sum(axis=(1, 2)) / expected
    return result


def agreement(pairs: pd.DataFrame, levels: int, cfg: IntervalsConfig) -> dict[str, float]:
    """Kappa with its interval, and the share of equal levels, of `pairs` (id, one, other), levels 0..K-1."""
    if pairs.empty:
        return {"value": np.nan, "low": np.nan, "high": np.nan, "same": np.nan, "n": 0}
    counts = confusions(pairs["id"].tolist(), pairs["one"].to_numpy(float), pairs["other"].to_numpy(float), levels)
    bootstrap = Bootstrap.over(len(counts), cfg)
    draws = kappa(np.einsum("re,eij->rij", bootstrap.weights, counts))
    known = draws[~np.isnan(draws)]
    low, high = np.quantile(known, [bootstrap.tail, 1 - bootstrap.tail]) if len(known) else (np.nan, np.nan)
    same = float((pairs["one"] == pairs["other"]).mean())
    value = float(kappa(counts.sum(axis=0)[None])[0])
    return {"value": value, "low": float(low), "high": float(high), "same": same, "n": len(pairs)}
