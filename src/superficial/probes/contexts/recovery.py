"""How much of the shift a context takes back: the same responses and aligned model, another prompt of the base."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.probes.contexts.grouping import Grouping
from superficial.shift.category import CATEGORIES, category_index
from superficial.shift.statistics.bootstrap import Bootstrap, Floats
from superficial.shift.statistics.pooled import Pooled, PooledByName
from superficial.shift.statistics.token_table import TokenTable

ALIGNED = "aligned model"  # as a context of its own: it recovers everything; no method can have this name
AGAINST, COMPARED = "content", ("style", "safety")  # kinds
UNSHIFTED, SHIFTED = CATEGORIES.index("unshifted"), CATEGORIES.index("shifted")

Found = Mapping[str, Pooled]  # sums by name
Ratio = tuple[Pooled, Pooled, Pooled]  # above, below, and what is counted


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
    name, _ = reference
    grouped, parts = list(groups), []
    found = _pooled(reference, others, grouped, bootstrap)
    for grouping in grouped:
        own = found[grouping.name, name]
        for context in (name, *others, ALIGNED):
            for rows in _measures(found[grouping.name, context], own, grouping, bootstrap):
                rows.insert(0, "context", context)
                parts.append(rows)
    return pd.concat(parts, ignore_index=True)


def _pooled(
    reference: tuple[str, TokenTable], others: Mapping[str, TokenTable], groups: list[Grouping], bootstrap: Bootstrap
) -> Mapping[tuple[str, str], Found]:
    """What the measures are made of, by grouping and context; a part of every table is in memory at a time."""
    name, table = reference
    found: dict[tuple[str, str], PooledByName[str]] = defaultdict(lambda: PooledByName(bootstrap))
    for part, *further in zip(table.parts(), *(other.parts() for other in others.values()), strict=True):
        base = TokenShifts.of(part)
        views = {name: base} | {one: TokenShifts.of(other) for one, other in zip(others, further, strict=True)}
        views[ALIGNED] = TokenShifts.of_aligned(part)
        for grouping in groups:
            for context, sums in _sums(views, base, part, grouping):
                for of, values in sums.items():
                    found[grouping.name, context].add(of, part.numbers, values)
    return found


def _sums(
    views: Mapping[str, TokenShifts], base: TokenShifts, part: TokenTable, grouping: Grouping
) -> Iterator[tuple[str, dict[str, Floats]]]:
    """By context what the measures are made of, by name: sums by example and group, (E, G)."""
    whole, before = grouping.sums(part, base.kl), base.category == UNSHIFTED
    for context, view in views.items():
        unshifted, kl = view.category == UNSHIFTED, grouping.sums(part, view.kl)
        counted = {"tokens": np.ones_like(view.category)} if view is base else {}
        counted |= {
            "unshifted": unshifted,
            "shifted": view.category == SHIFTED,
            "recovered": unshifted & (base.category == SHIFTED),
            "lost": before & ~unshifted,
        }
        yield context, {"kl": kl, "closed": whole - kl} | {of: grouping.sums(part, one) for of, one in counted.items()}


def _measures(seen: Found, own: Found, grouping: Grouping, bootstrap: Bootstrap) -> Iterator[pd.DataFrame]:
    """The rows of one context and grouping, a measure at a time; `own` are the sums of the reference."""
    tokens = own["tokens"]
    ratios: dict[str, Ratio] = {
        "kl": (seen["kl"], tokens, tokens),
        "kl_closed": (seen["closed"], own["kl"], tokens),
        "recovered": (seen["recovered"], own["shifted"], own["shifted"]),
        "lost": (seen["lost"], own["unshifted"], own["unshifted"]),
        "unshifted": (seen["unshifted"], tokens, tokens),
        "shifted": (seen["shifted"], tokens, tokens),
        "gained": (seen["unshifted"] - own["unshifted"], tokens, tokens),
    }
    for measure, (above, below, counted) in ratios.items():
        value = bootstrap.ratio_of_sums((above.sum, above.drawn), (below.sum, below.drawn))
        yield _rows(grouping.name, grouping.groups, measure, value, (counted.sum, counted.examples))
    if grouping.name == "kind" and AGAINST in grouping.groups:
        compared = [grouping.groups.index(kind) for kind in COMPARED if kind in grouping.groups]
        against = grouping.groups.index(AGAINST)
        more = _more(seen["closed"], own["kl"], compared, against, bootstrap)
        names = [grouping.groups[place] for place in compared]
        yield _rows(grouping.name, names, "kl_closed_more", more, (tokens.sum[compared], tokens.examples[compared]))


def _more(
    above: Pooled, below: Pooled, some: list[int], other: int, bootstrap: Bootstrap
) -> tuple[Floats, Floats, Floats]:
    """Ratios of sums in the groups `some` less that in the group `other`, from the same resamples."""
    with np.errstate(invalid="ignore", divide="ignore"):
        estimate, draws = above.sum / below.sum, above.drawn / below.drawn
    return estimate[some] - estimate[other], *bootstrap.interval(draws[:, some] - draws[:, [other]])


def _rows(
    grouping: str, groups: list[str], measure: str, found: tuple[Floats, Floats, Floats], counted: tuple[Any, Any]
) -> pd.DataFrame:
    (value, low, high), (tokens, examples) = found, counted
    columns: dict[str, Any] = {"grouping": grouping, "group": groups, "measure": measure}
    columns |= {"value": value, "low": low, "high": high}
    return pd.DataFrame(columns | {"tokens": tokens.astype(int), "examples": examples})
