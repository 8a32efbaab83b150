"""What kind of token shifts. The paper (section 2) reads off its lists: style and safety, hardly knowledge."""

from typing import Any

import numpy as np
import pandas as pd

from superficial.shift.category import CATEGORIES
from superficial.shift.kinds.classify import KINDS
from superficial.shift.statistics.bootstrap import Bootstrap, Floats
from superficial.shift.statistics.token_table import TokenTable

AGAINST = "content"  # odds ratios compare with it
COMPARED = ("style", "safety")


def kinds(table: TokenTable, bootstrap: Bootstrap) -> pd.DataFrame:
    """Rows (kind, measure, value, low, high, tokens, examples) of the kinds that occur; tokens and examples hold them.

    The table has the kind of every row beside it.

    Measures: `unshifted`, `marginal` and `shifted` are rates among the kind's tokens; `share_of_shifted` is the share
    of all shifted tokens that are of the kind, `share_of_tokens` that of all tokens; `odds_ratio` compares the kind's
    odds of being shifted with those of content.
    """
    size = len(CATEGORIES)
    every = table.by_example(lambda part: part.sums(part.kind * np.int8(size) + part.category, len(KINDS) * size))
    every = every.reshape(-1, len(KINDS), size)
    occur = np.asarray(every.any(axis=(0, 2)))
    present = [name for name, found in zip(KINDS, occur, strict=True) if found]
    counts = every[:, occur]  # (E, K, 3)
    of_kind = counts.sum(axis=2)  # (E, K)
    shifted = counts[:, :, CATEGORIES.index("shifted")]
    measures = [(name, counts[:, :, index], of_kind) for index, name in enumerate(CATEGORIES)]
    measures.append(("share_of_tokens", of_kind, of_kind.sum(axis=1, keepdims=True)))
    if shifted.any():
        measures.append(("share_of_shifted", shifted, shifted.sum(axis=1, keepdims=True)))
    seen: dict[str, Any] = {"tokens": of_kind.sum(axis=0).astype(int), "examples": (of_kind > 0).sum(axis=0)}
    parts = []
    for measure, numerators, denominators in measures:
        value, low, high = bootstrap.ratio(numerators, denominators)
        columns = {"kind": present, "measure": measure, "value": value, "low": low, "high": high}
        parts.append(pd.DataFrame(columns | seen))
    base = [present.index(AGAINST)] if AGAINST in present else []
    compared = [present.index(name) for name in COMPARED if name in present and base]
    if compared:
        two = np.stack([shifted, of_kind - shifted], axis=2)  # (E, K, 2)
        value, low, high = odds_ratio(two[:, compared], two[:, base], bootstrap)
        columns = {"kind": [present[index] for index in compared], "measure": "odds_ratio", "value": value}
        columns |= {"low": low, "high": high} | {name: entry[compared] for name, entry in seen.items()}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def odds_ratio(some: Floats, others: Floats, bootstrap: Bootstrap) -> tuple[Floats, Floats, Floats]:
    """Odds of shifted of `some` (E, M, 2) against `others` (E, 1, 2) -> estimate, low, high, each (M,).

    Cells are counts by example: shifted, not shifted. Haldane's correction adds one half to each of the four summed
    cells, in the estimate and in every resample, so that an empty cell gives a finite ratio.
    """

    def ratio(one: Floats, other: Floats) -> Floats:
        one, other = one + 0.5, other + 0.5
        found: Floats = (one[..., 0] / one[..., 1]) / (other[..., 0] / other[..., 1])
        return found

    low, high = bootstrap.interval(ratio(bootstrap.sums(some), bootstrap.sums(others)))
    return ratio(some.sum(axis=0), others.sum(axis=0)), low, high
