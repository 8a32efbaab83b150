"""Intervals by resampling examples: the tokens of one response are not independent, responses are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superficial.config.schema import IntervalsConfig

Floats = NDArray[np.float64]
BLOCK = 100  # resamples drawn at a time: the counts are integers first, twice the memory for as long


@dataclass(frozen=True)
class Bootstrap:
    """Seeded resampling weights; every statistic of a run uses the same draws, so differences stay paired."""

    counts: NDArray[np.uint8]  # (R, E): how often each of E examples was drawn in each of R resamples
    tail: float  # probability below the interval, and above it

    @classmethod
    def over(cls, examples: int, cfg: IntervalsConfig) -> "Bootstrap":
        """R = cfg.resamples draws of E examples with replacement."""
        rng = np.random.default_rng(cfg.seed)
        counts = np.empty((cfg.resamples, examples), np.uint8)  # a count of 256 is as good as impossible
        even = np.full(examples, 1 / examples)
        for start in range(0, cfg.resamples, BLOCK):
            part = counts[start : start + BLOCK]
            part[:] = rng.multinomial(examples, even, size=len(part))
        return cls(counts, (1 - cfg.confidence) / 2)

    @property
    def weights(self) -> Floats:
        """The counts as numbers to multiply with, (R, E): eight times their memory."""
        return self.counts.astype(np.float64)

    def sums(self, values: Floats) -> Floats:
        """Sums over the examples of every resample: (E, ...) -> (R, ...)."""
        return product(self.counts, values)

    def ratio(self, numerators: Floats, denominators: Floats) -> tuple[Floats, Floats, Floats]:
        """Ratio of sums over examples: (E, ...) / (E, ...) -> estimate, low, high, each (...).

        Denominators may have axes of length 1 where all numerators share them.
        """
        return self.ratio_of_sums(
            (numerators.sum(axis=0), self.sums(numerators)), (denominators.sum(axis=0), self.sums(denominators))
        )

    def ratio_of_sums(
        self, above: tuple[Floats, Floats], below: tuple[Floats, Floats]
    ) -> tuple[Floats, Floats, Floats]:
        """The same from sums (...) and resampled sums (R, ...), as `sums` gives them."""
        with np.errstate(invalid="ignore", divide="ignore"):
            estimate, draws = above[0] / below[0], above[1] / below[1]
        return estimate, *self.interval(draws)

    def interval(self, draws: Floats) -> tuple[Floats, Floats]:
        """Quantiles of resampled values: (R, ...) -> low, high, each (...).

        Resamples without a value (no drawn example reaches a position) are left out; without any the bounds are blank.
        """
        tails = [self.tail, 1 - self.tail]
        low, high = np.quantile(draws, tails, axis=0)
        for place in np.argwhere(np.isnan(low) | np.isnan(high)):
            at = tuple(place)
            known = draws[(slice(None), *at)]
            known = known[~np.isnan(known)]
            if len(known):
                low[at], high[at] = np.quantile(known, tails)
        return low, high


def product(counts: NDArray[np.uint8], values: Floats) -> Floats:
    """Product of counts (R, E) and values (E, ...) -> (R, ...), BLOCK resamples at a time."""
    parts = (counts[start : start + BLOCK].astype(np.float64) for start in range(0, len(counts), BLOCK))
    return np.concatenate([np.tensordot(part, values, axes=1) for part in parts])
