"""How sure the base is: entropy along the response, shifts by entropy, and calibration, in every context."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.probes.contexts.grouping import WIDTH, position_bins
from superficial.probes.contexts.recovery import ALIGNED
from superficial.shift.category import CATEGORIES
from superficial.shift.statistics.bootstrap import Bootstrap, Floats
from superficial.shift.statistics.token_table import TokenTable

EDGES = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0)  # nats: lower bounds of the bins by entropy
TENTHS = 10  # bins of probability
SURE = 0.5  # a first choice at least as probable as everything else together
NEAR = 3  # ranks that are not shifted

Values = NDArray[Any]


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
    parts = []
    for context, found in {name: table, **others}.items():
        parts += [one.assign(context=context) for one in _of_base(found, bootstrap)]
    places = position_bins(table)
    aligned = _rows("position", "entropy", table, bootstrap, table.column("aligned_entropy"), places)
    parts.append(aligned.assign(bin=WIDTH * aligned["bin"], context=ALIGNED))
    found = pd.concat(parts, ignore_index=True)
    return found[["view", "context", "measure", "bin", "value", "low", "high", "tokens", "examples"]]


def _of_base(table: TokenTable, bootstrap: Bootstrap) -> list[pd.DataFrame]:
    """Every view of the base in one context."""
    entropy, shifted = table.column("base_entropy"), table.category == CATEGORIES.index("shifted")
    first = table.of_lists("base_top_probs", lambda top: top[:, 0].copy())
    parts = []

    def add(
        view: str, measure: str, values: Values, bins: Values, names: Values, weights: Values | None = None
    ) -> None:
        rows = _rows(view, measure, table, bootstrap, values, bins, weights)
        parts.append(rows.assign(bin=names[rows["bin"]]))

    places = position_bins(table)
    add("position", "entropy", entropy, places, WIDTH * np.arange(places.max() + 1))
    del places
    everywhere, whole = np.zeros_like(table.category), np.zeros(1)
    by_entropy, edges = (np.searchsorted(EDGES, entropy, side="right") - 1).astype(np.int8), np.array(EDGES)
    measures = {"shifted": shifted}
    drawn = table.of_lists("base_top_probs", _drawn)
    if not np.isnan(drawn).all():
        measures["drawn"] = drawn
    for measure, values in measures.items():
        add("entropy", measure, values, by_entropy, edges)
        add("all", measure, values, everywhere, whole)
    add("all", "sure", shifted & (first >= SURE), everywhere, whole, shifted)
    tenths, bounds = np.minimum(TENTHS * first, TENTHS - 1).astype(np.int8), np.arange(TENTHS) / TENTHS
    add("calibration", "first", table.category == CATEGORIES.index("unshifted"), tenths, bounds)
    add("calibration", "probability", first, tenths, bounds)
    return parts


def _drawn(top: Values) -> Floats:
    """How probable tokens (n,) beyond rank NEAR are, by the first candidates (n, K); nan where these are fewer."""
    if top.shape[1] < NEAR:
        return np.full(len(top), np.nan)
    found: Floats = (1 - top[:, :NEAR].sum(axis=1, dtype=np.float64)).clip(0)
    return found


def _rows(
    view: str,
    measure: str,
    table: TokenTable,
    bootstrap: Bootstrap,
    values: Values,
    bins: Values,
    weights: Values | None = None,
) -> pd.DataFrame:
    """Means of `values` (N,) in every bin that occurs, over the tokens that `weights` (N,) says, by default all."""
    size = int(bins.max()) + 1
    above, below = table.sums(bins, size, values), table.sums(bins, size, weights)
    held = np.flatnonzero(below.any(axis=0))
    if len(held) < size:
        above, below = above[:, held], below[:, held]
    value, low, high = bootstrap.ratio(above, below)
    columns = {"view": view, "measure": measure, "bin": held, "value": value, "low": low, "high": high}
    return pd.DataFrame(columns | {"tokens": below.sum(axis=0).astype(int), "examples": (below > 0).sum(axis=0)})
