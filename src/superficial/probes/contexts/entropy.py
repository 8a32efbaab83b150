"""How sure the base is: entropy along the response, shifts by entropy, and calibration, in every context."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.probes.contexts.grouping import WIDTH, position_bins, position_groups
from superficial.probes.contexts.recovery import ALIGNED
from superficial.shift.category import CATEGORIES
from superficial.shift.statistics.bootstrap import Bootstrap, Floats
from superficial.shift.statistics.pooled import Pooled, PooledByName
from superficial.shift.statistics.token_table import TokenTable

EDGES = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0)  # nats: lower bounds of the bins by entropy
TENTHS = 10  # bins of probability
SURE = 0.5  # a first choice at least as probable as everything else together
NEAR = 3  # ranks that are not shifted

Values = NDArray[Any]
# Of some tokens (N,): view, measure, bin, value, and weight, by default 1.
Measures = Callable[[TokenTable], Iterator[tuple[str, str, Values, Values, Values | None]]]
Ratio = tuple[Pooled, Pooled]  # above, and below


def uncertainty(
    reference: tuple[str, TokenTable], others: Mapping[str, TokenTable], bootstrap: Bootstrap
) -> pd.DataFrame:
    """Rows (view, context, measure, bin, value, low, high, tokens, examples); `bin` is the lower bound of its bin.

    Views, with means over tokens:
    - `position`, by position in the response, 8 a bin: `entropy` in nats, of the aligned model too;
    - `entropy`, by the entropy of the base in that context: `shifted`, and `drawn`, how many tokens would be shifted if
      the base drew them from its own distribution (left out where compare.top_k is below 3);
    - `calibration`, by the probability of the base's first choice: `first`, how often the aligned model took that
      choice, and `probability`, its mean;
    - `all`: `shifted`, `drawn`, and `sure`, of the shifted tokens those where the base's first choice had 0.5 or more.
    """
    name, table = reference
    found = {context: _pooled(one, _of_base, bootstrap) for context, one in {name: table, **others}.items()}
    found[ALIGNED] = _pooled(table, _of_aligned, bootstrap)
    parts = [
        _rows(view, measure, table, ratio, bootstrap).assign(context=context)
        for context, ratios in found.items()
        for (view, measure), ratio in ratios.items()
    ]
    rows = pd.concat(parts, ignore_index=True)
    return rows[["view", "context", "measure", "bin", "value", "low", "high", "tokens", "examples"]]


def _pooled(table: TokenTable, measures: Measures, bootstrap: Bootstrap) -> Mapping[tuple[str, str], Ratio]:
    """Above and below of each view and measure, in the order of `measures`."""
    above, below = (PooledByName[tuple[str, str]](bootstrap) for _ in range(2))
    for part in table.parts():
        for view, measure, bins, values, weights in measures(part):
            size = len(_bounds(view, table))
            above.add((view, measure), part.numbers, part.sums(bins, size, values))
            below.add((view, measure), part.numbers, part.sums(bins, size, weights))
    return {name: (above[name], below[name]) for name in above}


def _bounds(view: str, table: TokenTable) -> Values:
    """Lower bounds of all bins of a view."""
    if view == "position":
        return WIDTH * np.arange(position_groups(table))
    return {"entropy": np.array(EDGES), "calibration": np.arange(TENTHS) / TENTHS, "all": np.zeros(1)}[view]


def _of_base(table: TokenTable) -> Iterator[tuple[str, str, Values, Values, Values | None]]:
    """Every view of the base in one context."""
    entropy, shifted = table.column("base_entropy"), table.category == CATEGORIES.index("shifted")
    top, everywhere = table.lists("base_top_probs"), np.zeros_like(table.category)
    first = top[:, 0]
    yield "position", "entropy", position_bins(table), entropy, None
    by_entropy = np.searchsorted(EDGES, entropy, side="right") - 1
    for measure, values in {"shifted": shifted, "drawn": _drawn(top)}.items():
        if values is not None:
            yield "entropy", measure, by_entropy, values, None
            yield "all", measure, everywhere, values, None
    yield "all", "sure", everywhere, shifted & (first >= SURE), shifted
    tenths = np.minimum(TENTHS * first, TENTHS - 1).astype(np.int8)
    yield "calibration", "first", tenths, table.category == CATEGORIES.index("unshifted"), None
    yield "calibration", "probability", tenths, first, None


def _of_aligned(table: TokenTable) -> Iterator[tuple[str, str, Values, Values, Values | None]]:
    """The entropy of the aligned model, as `_of_base` gives that of the base."""
    yield "position", "entropy", position_bins(table), table.column("aligned_entropy"), None


def _drawn(top: Values) -> Floats | None:
    """How probable tokens (n,) beyond rank NEAR are, by the first candidates (n, K); None where these are fewer."""
    if top.shape[1] < NEAR:
        return None
    found: Floats = (1 - top[:, :NEAR].sum(axis=1, dtype=np.float64)).clip(0)
    return found


def _rows(view: str, measure: str, table: TokenTable, ratio: Ratio, bootstrap: Bootstrap) -> pd.DataFrame:
    """Means in every bin that occurs."""
    above, below = ratio
    held = np.flatnonzero(below.examples)
    value, low, high = bootstrap.ratio_of_sums(
        (above.sum[held], above.drawn[:, held]), (below.sum[held], below.drawn[:, held])
    )
    columns = {"view": view, "measure": measure, "bin": _bounds(view, table)[held], "value": value}
    columns |= {"low": low, "high": high, "tokens": below.sum[held].astype(int), "examples": below.examples[held]}
    return pd.DataFrame(columns)
