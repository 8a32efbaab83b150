"""Who won a comparison: from the verdicts of both orders, from votes, or from scores."""

from math import nan

import numpy as np
import pandas as pd

from superficial.judging.judges.aspects import OVERALL
from superficial.shift.statistics.bootstrap import Bootstrap, Floats

SHARES = ("win", "tie", "lose")  # of system a
# The prior of the two coefficients: keeps the fit finite where one system wins everything; next to nothing at n = 800.
RIDGE = np.array([0.01, 1.0])


def outcomes(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each instruction and aspect: id, aspect, win, tie, lose, which sum to 1, or are NaN when unscored.

    A judge that was asked in both orders must say the same twice, else it is a tie; one that is unscored in either
    order is unscored. People's votes count in equal parts.
    """
    rows: list[tuple[object, ...]] = []
    for (name, aspect), found in table.groupby(["id", "aspect"], sort=False):
        votes = found["vote"].tolist()
        if found["order"].nunique() > 1:
            votes = votes[:1] if len(set(votes)) == 1 else ["" if "" in votes else "tie"]
        shares = [np.mean([vote == one for vote in votes]) for one in ("a", "tie", "b")]
        rows.append((name, aspect, *([nan] * 3 if "" in votes else shares)))
    return pd.DataFrame(rows, columns=["id", "aspect", *SHARES])


def from_scores(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Outcomes from the judgments (id, aspect, score) of two systems; overall by the mean of the aspects.

    Unscored in either system: unscored. Equal scores: a tie.
    """
    both = a.merge(b, on=["id", "aspect"], suffixes=("_a", "_b"), sort=False)
    gaps = both.assign(gap=both["score_a"] - both["score_b"])[["id", "aspect", "gap"]]
    means = gaps.groupby("id", sort=False)["gap"].agg(lambda gap: gap.mean(skipna=False)).reset_index()
    gaps = pd.concat([gaps, means.assign(aspect=OVERALL)], ignore_index=True)
    sign = np.sign(gaps["gap"].round(9))
    for share, value in zip(SHARES, (1, 0, -1), strict=True):
        gaps[share] = (sign == value).astype(float).where(sign.notna())
    return gaps[["id", "aspect", *SHARES]]


def win_shares(found: Floats, bootstrap: Bootstrap) -> tuple[Floats, Floats, Floats]:
    """Shares (E, 3) of win, tie and lose by instruction -> their means, low and high, each (3,)."""
    return bootstrap.ratio(found, np.ones_like(found))


def length_controlled(
    found: Floats, words_a: Floats, words_b: Floats, bootstrap: Bootstrap
) -> tuple[float, float, float]:
    """The win rate of a, ties as halves, had both responses the same length: estimate, low, high.

    A logistic regression of the outcome on tanh of the difference in words over its standard deviation, fitted on
    these very comparisons (E of them) and read where the difference is 0. The idea is that of length-controlled
    AlpacaEval (Dubois et al. 2024), without its terms for models and instructions.
    """
    gap = words_a - words_b
    spread = gap.std()
    term = np.tanh(gap / spread) if spread > 0 else np.zeros_like(gap)
    outcome = found[:, 0] + found[:, 1] / 2
    everything = np.vstack([np.ones(len(gap)), bootstrap.weights])
    rates = _at_equal_length(outcome, term, everything)
    low, high = np.quantile(rates[1:], [bootstrap.tail, 1 - bootstrap.tail])
    return float(rates[0]), float(low), float(high)


def _at_equal_length(outcome: Floats, term: Floats, weights: Floats) -> Floats:
    """Fits (R,) by Newton's method, one for each row of `weights` (R, E)."""
    design = np.column_stack([np.ones_like(term), term])  # (E, 2)
    beta = np.zeros((len(weights), 2))
    for _ in range(40):
        rate = _sigmoid(beta @ design.T)
        slope = (weights * (outcome - rate)) @ design - RIDGE * beta
        curve = np.einsum("re,ei,ej->rij", weights * rate * (1 - rate), design, design) + np.diag(RIDGE)
        beta += np.clip(np.linalg.solve(curve, slope[..., None])[..., 0], -2, 2)
    return _sigmoid(beta[:, 0])


def _sigmoid(value: Floats) -> Floats:
    result: Floats = 1 / (1 + np.exp(-value))
    return result
