"""Intervals by resampling examples: the tokens of one response are not independent, responses are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superficial.schema import StatsConfig

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bootstrap:
    """Seeded resampling weights; every statistic of a run uses the same draws, so differences stay paired."""

    weights: Floats  # (R, E): how often each of E examples was drawn in each of R resamples
    tail: float  # probability below the interval, and above it

    @classmethod
    def over(cls, examples: int, cfg: StatsConfig) -> "Bootstrap":
        """R = cfg.resamples draws of E examples with replacement."""
        rng = np.random.default_rng(cfg.seed)
        weights = rng.multinomial(examples, np.full(examples, 1 / examples), size=cfg.resamples)
        return cls(weights.astype(np.float64), (1 - cfg.confidence) / 2)

    def ratio(self, numerators: Floats, denominators: Floats) -> tuple[Floats, Floats, Floats]:
        """Ratio of sums over examples: (E, M) / (E, M) -> estimate, low, high, each (M,).

        Resamples in which a denominator is 0 (no drawn example reaches a position) are left out of its interval.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            estimate = numerators.sum(axis=0) / denominators.sum(axis=0)
            draws = (self.weights @ numerators) / (self.weights @ denominators)
        tails = [self.tail, 1 - self.tail]
        low, high = np.quantile(draws, tails, axis=0)
        for column in np.flatnonzero(np.isnan(draws).any(axis=0) & ~np.isnan(estimate)):
            low[column], high[column] = np.nanquantile(draws[:, column], tails)
        return estimate, low, high
