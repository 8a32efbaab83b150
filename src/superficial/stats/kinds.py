"""What kind of token shifts. The paper (section 2) reads off its lists: style and safety, hardly knowledge."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.category import CATEGORIES
from superficial.kinds.classify import KINDS, classify
from superficial.stats.bootstrap import Bootstrap, Floats
from superficial.stats.token_table import TokenTable

AGAINST = "content"  # odds ratios compare with it
COMPARED = ("style", "safety")


def token_kinds(table: TokenTable, responses: pd.DataFrame) -> NDArray[np.str_]:
    """Kind of every row of the token table, in its order."""
    ended = (responses.set_index("id")["finish_reason"] == "stop").loc[table.ids]
    tokens = table.column("token")
    found: list[str] = []
    for length, end in zip(table.lengths, ended, strict=True):
        found += classify(tokens[len(found) : len(found) + length].tolist(), ended=bool(end))
    return np.array(found)


def kinds(table: TokenTable, kind: NDArray[np.str_], bootstrap: Bootstrap) -> pd.DataFrame:
    """Rows (kind, measure, value, low, high, tokens, examples) of the kinds that occur; tokens and examples hold them.

    Measures: `unshifted`, `marginal` and `shifted` are rates among the kind's tokens; `share_of_shifted` is the share
    of all shifted tokens that are of the kind, `share_of_tokens` that of all tokens; `odds_ratio` compares the kind's
    odds of being shifted with those of content.
    """
    present = [name for name in KINDS if (kind == name).any()]
    column = pd.Categorical(kind, categories=present).codes.astype(int)
    size = len(CATEGORIES)
    counts = table.sums(column * size + table.category, len(present) * size).reshape(
        -1, len(present), size
    )  # (E, K, 3)
    of_kind = counts.sum(axis=2)  # (E, K)
    shifted = counts[:, :, CATEGORIES.index("shifted")]
    measures = [(name, counts[:, :, index], of_kind) for index, name in enumerate(CATEGORIES)]
    measures.append(("share_of_tokens", of_kind, _over_kinds(of_kind)))
    if shifted.any():
        measures.append(("share_of_shifted", shifted, _over_kinds(shifted)))
    seen: dict[str, Any] = {"tokens": of_kind.sum(axis=0).astype(int), "examples": (of_kind > 0).sum(axis=0)}
    parts = []
    for measure, numerators, denominators in measures:
        value, low, high = bootstrap.ratio(numerators, denominators)
        columns = {"kind": present, "measure": measure, "value": value, "low": low, "high": high}
        parts.append(pd.DataFrame(columns | seen))
    base = [present.index(AGAINST)] if AGAINST in present else []
    compared = [present.index(name) for name in COMPARED if name in present and base]
    if compared:
        cells = np.stack([shifted, of_kind - shifted], axis=2)  # (E, K, 2)
        value, low, high = odds_ratio(cells[:, compared], cells[:, base], bootstrap)
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

    draws = ratio(np.tensordot(bootstrap.weights, some, axes=1), np.tensordot(bootstrap.weights, others, axes=1))
    low, high = np.quantile(draws, [bootstrap.tail, 1 - bootstrap.tail], axis=0)
    return ratio(some.sum(axis=0), others.sum(axis=0)), low, high


def _over_kinds(counts: Floats) -> Floats:
    """Sums over the kinds, repeated for each: (E, K)."""
    return np.broadcast_to(counts.sum(axis=1, keepdims=True), counts.shape)
