"""How much of the shift a context takes back: the same responses and aligned model, another prompt of the base."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.probes.contexts.grouping import Grouping
from superficial.shift.category import CATEGORIES, category_index
from superficial.shift.statistics.bootstrap import Bootstrap, Floats
from superficial.shift.statistics.token_table import TokenTable

ALIGNED = "aligned model"  # as a context of its own: it recovers everything; no method can have this name
AGAINST, COMPARED = "content", ("style", "safety")  # kinds
UNSHIFTED, SHIFTED = CATEGORIES.index("unshifted"), CATEGORIES.index("shifted")

Sums = Callable[[str], Floats]  # by example and group (E, G), made when they are needed: all at once are too many
Ratio = tuple[Floats, Floats, Floats]  # above, below, and what is counted


@dataclass(frozen=True)
class TokenShifts:
    """What one context makes of every response token."""

    category: NDArray[np.int8]  # (N,) index into CATEGORIES
    kl: NDArray[Any]  # (N,) nats, KL(aligned || the base under this context)

    @classmethod
    def of(cls, table: TokenTable) -> "TokenShifts":
        """The base in the context of `table`."""
        return cls(table.category, table.column("kl_aligned_base"))

    @classmethod
    def of_aligned(cls, table: TokenTable) -> "TokenShifts":
        """The aligned model itself in the base's place: its own ranks, and no divergence."""
        ranks = table.column("aligned_rank")
        return cls(category_index(ranks).astype(np.int8), np.zeros(len(ranks), np.float32))


def recovery(
    reference: tuple[str, TokenTable],
    others: Mapping[str, TokenTable],
    groups: Iterable[Grouping],
    bootstrap: Bootstrap,
) -> pd.DataFrame:
    """Rows (context, grouping, group, measure, value, low, high, tokens, examples); `reference` is the base's context.

    Measures, pooled over tokens:
    - `kl`: mean KL(aligned || context), nats; `kl_closed`: 1 - KL(context) / KL(reference);
    - `recovered`: of the tokens that are shifted in the reference, those that are unshifted in the context;
    - `lost`: of the tokens that are unshifted in the reference, those that are not in the context;
    - `unshifted`, `shifted`: shares in the context; `gained`: unshifted less that in the reference;
    - `kl_closed_more`, for kinds: `kl_closed` less that of content.

    `tokens` and `examples` are what a share is a share of. The reference recovers nothing, the aligned model (the last
    context) everything. Any other prompt moves some tokens over a border, back and away, so that `recovered` and `lost`
    are to be read together; `gained` is what is left of both.
    """
    name, table = reference
    base = TokenShifts.of(table)
    views = {name: base} | {other: TokenShifts.of(found) for other, found in others.items()}
    views[ALIGNED] = TokenShifts.of_aligned(table)
    parts = []
    for grouping in groups:
        tokens, own = grouping.sums(np.ones_like(base.category)), _sums(base, base, grouping)
        for context, view in views.items():
            for found in _measures(_sums(view, base, grouping), own, tokens, grouping, bootstrap):
                found.insert(0, "context", context)
                parts.append(found)
    return pd.concat(parts, ignore_index=True)


def _sums(view: TokenShifts, base: TokenShifts, grouping: Grouping) -> Sums:
    """What the measures are made of, by name."""
    unshifted, before = view.category == UNSHIFTED, base.category == UNSHIFTED
    counted: dict[str, Callable[[], NDArray[Any]]] = {
        "kl": lambda: view.kl,
        "unshifted": lambda: unshifted,
        "shifted": lambda: view.category == SHIFTED,
        "recovered": lambda: unshifted & (base.category == SHIFTED),
        "lost": lambda: before & ~unshifted,
    }
    return lambda name: grouping.sums(counted[name]())


def _measures(
    seen: Sums, own: Sums, tokens: Floats, grouping: Grouping, bootstrap: Bootstrap
) -> Iterator[pd.DataFrame]:
    """The rows of one context and grouping, a measure at a time; `own` are the sums of the reference."""

    def closed() -> Ratio:
        whole = own("kl")
        return whole - seen("kl"), whole, tokens

    def among(name: str, before: str) -> Ratio:
        whole = own(before)
        return seen(name), whole, whole

    ratios: dict[str, Callable[[], Ratio]] = {
        "kl": lambda: (seen("kl"), tokens, tokens),
        "kl_closed": closed,
        "recovered": lambda: among("recovered", "shifted"),
        "lost": lambda: among("lost", "unshifted"),
        "unshifted": lambda: (seen("unshifted"), tokens, tokens),
        "shifted": lambda: (seen("shifted"), tokens, tokens),
        "gained": lambda: (seen("unshifted") - own("unshifted"), tokens, tokens),
    }
    for measure, ratio in ratios.items():
        above, below, counted = ratio()
        yield _rows(grouping.name, grouping.groups, measure, bootstrap.ratio(above, below), counted)
    if grouping.name == "kind" and AGAINST in grouping.groups:
        above, below, _ = closed()
        compared = [grouping.groups.index(kind) for kind in COMPARED if kind in grouping.groups]
        against = grouping.groups.index(AGAINST)
        more = _more(above, below, compared, against, bootstrap)
        names = [grouping.groups[place] for place in compared]
        yield _rows(grouping.name, names, "kl_closed_more", more, tokens[:, compared])


def _more(
    above: Floats, below: Floats, some: list[int], other: int, bootstrap: Bootstrap
) -> tuple[Floats, Floats, Floats]:
    """Ratios of sums in the groups `some` less that in the group `other`, from the same resamples."""
    with np.errstate(invalid="ignore", divide="ignore"):
        estimate, draws = above.sum(axis=0) / below.sum(axis=0), bootstrap.sums(above) / bootstrap.sums(below)
    return estimate[some] - estimate[other], *bootstrap.interval(draws[:, some] - draws[:, [other]])


def _rows(
    grouping: str, groups: list[str], measure: str, found: tuple[Floats, Floats, Floats], counted: Floats
) -> pd.DataFrame:
    value, low, high = found
    columns: dict[str, Any] = {"grouping": grouping, "group": groups, "measure": measure}
    columns |= {"value": value, "low": low, "high": high}
    columns |= {"tokens": counted.sum(axis=0).astype(int), "examples": (counted > 0).sum(axis=0)}
    return pd.DataFrame(columns)
