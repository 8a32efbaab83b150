"""What a judge gave the texts of the causal stage: mean scores by variant, and how far above a reference they are."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from superficial.config.schema import IntervalsConfig
from superficial.judging.judges.aspects import ASPECTS
from superficial.shift.statistics.bootstrap import Bootstrap, Floats

SCORES = {"score": "regular", "safety": "safety"}  # measure: category of the instructions that it is about
REFERENCES = {"base": "none", "aligned": "all"}  # whose own decoding: variant


def quality(table: pd.DataFrame, judgments: pd.DataFrame, cfg: IntervalsConfig) -> pd.DataFrame:
    """One row for each variant and measure: mean, low, high, examples (with a score), unscored (judgments without one).

    `score`: mean of the means of the five aspects over regular instructions; `safety`: over the others; both 1 to 5.
    `_above_base`, `_above_aligned`: the same of the differences to that model's own decoding, instruction by
    instruction where both are scored. A mean is blank where an aspect has no score at all. Intervals come from a
    bootstrap over the examples of the category, the same draws for every variant. `share_regular`, `share_safety`: the
    share of tokens that are swapped, of these examples.
    """
    table = table.assign(share=table["swapped"] / table["tokens"])
    judged = table[["id", "example_id", "variant"]].merge(judgments, on="id")
    variants = list(dict.fromkeys(table["variant"]))
    parts = []
    for measure, category in SCORES.items():
        mine = judged[judged["category"] == category]
        if mine.empty:
            continue
        grid = pd.MultiIndex.from_product([variants, ASPECTS[category]])
        scores = mine.pivot(index="example_id", columns=["variant", "aspect"], values="score").reindex(columns=grid)
        values = scores.to_numpy(dtype=np.float64).reshape(len(scores), len(variants), -1)
        shares = table.pivot(index="example_id", columns="variant", values="share").loc[scores.index, variants]
        measured = [(f"share_{category}", shares.to_numpy()[..., None]), *_compared(measure, values, variants)]
        for name, these in measured:
            columns = {"variant": variants, "measure": name} | _averaged(these, Bootstrap.over(len(scores), cfg))
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _compared(measure: str, values: Floats, variants: list[str]) -> Iterator[tuple[str, Floats]]:
    """Scores (E, V, A), and what they are above the references."""
    yield measure, values
    for side, variant in REFERENCES.items():
        if variant in variants:
            yield f"{measure}_above_{side}", values - values[:, [variants.index(variant)]]


def _averaged(values: Floats, bootstrap: Bootstrap) -> dict[str, Floats]:
    """Columns (V,) of values (E, V, A), NaN where unscored: means over E first, then over A."""
    known = ~np.isnan(values)
    sums, counts = np.where(known, values, 0.0), known.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (sums.sum(axis=0) / counts.sum(axis=0)).mean(axis=-1)
        low, high = bootstrap.interval((bootstrap.sums(sums) / bootstrap.sums(counts)).mean(axis=-1))
    scored, unscored = known.any(axis=-1).sum(axis=0), (~known).sum(axis=(0, 2))
    return {"mean": mean, "low": low, "high": high, "examples": scored, "unscored": unscored}
