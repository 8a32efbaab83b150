"""What every step of a ladder changes: the same responses, scored by one stage of training after the other."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.config.schema.ladder import ALIGNED, BASE
from superficial.probes.contexts.grouping import Grouping
from superficial.probes.contexts.recovery import SHIFTED, UNSHIFTED, TokenShifts
from superficial.shift.category import CATEGORIES
from superficial.shift.statistics.bootstrap import Bootstrap, Floats
from superficial.shift.statistics.pooled import Pooled, PooledByName
from superficial.shift.statistics.token_table import TokenTable

GROUPINGS = ("all", "kind", "instruction")
COUNTED = "counted"  # in the place of a rung: sums of what shares are shares of

Key = tuple[str, str, str]  # measure, before, after
KL = ("kl", "", "")
TOKENS, FIRST = ("tokens", "", ""), ("first", "", "")  # first: those that are shifted in the base


def ladder(
    base: TokenTable, stages: Mapping[str, TokenTable], groups: Iterable[Grouping], bootstrap: Bootstrap
) -> pd.DataFrame:
    """Rows (rung, grouping, group, measure, before, after, value, low, high, tokens, examples).

    Rungs are the base, the `stages` in the order of training, and the aligned model in its own place. Measures, pooled
    over the tokens of a group:
    - `kl`: mean KL(aligned || rung), nats; and the shares `unshifted`, `marginal` and `shifted`;
    - `flow`: share of the tokens that are in category `before` in the rung below and in `after` in this one;
    - `kl_closed`: the part of the base's KL that this step closes; over all steps it sums to 1;
    - `settled`: of the tokens that are shifted in the base, those that are unshifted from this rung on to the last, and
      not in the one below. Tokens that the aligned model itself does not rank first are settled nowhere.

    `tokens` and `examples` are what a share is a share of.
    """
    grouped, rows = [one for one in groups if one.name in GROUPINGS], []
    found = _pooled(base, stages, grouped, bootstrap)
    for grouping in grouped:
        whole = found[grouping.name, COUNTED]
        for rung in (BASE, *stages, ALIGNED):
            for key, above in found[grouping.name, rung].items():
                counted = whole[FIRST if key[0] == "settled" else TOKENS]
                below = found[grouping.name, BASE][KL] if key[0] == "kl_closed" else counted
                rows.append(_rows((rung, grouping.name, grouping.groups), key, (above, below, counted), bootstrap))
    return pd.concat(rows, ignore_index=True)


def _pooled(
    base: TokenTable, stages: Mapping[str, TokenTable], groups: list[Grouping], bootstrap: Bootstrap
) -> Mapping[tuple[str, str], PooledByName[Key]]:
    """Sums by grouping and rung; a part of every table is in memory at a time."""
    found: dict[tuple[str, str], PooledByName[Key]] = defaultdict(lambda: PooledByName(bootstrap))
    for part, *further in zip(base.parts(), *(stage.parts() for stage in stages.values()), strict=True):
        between = [TokenShifts.of(one) for one in further]
        views = [TokenShifts.of(part), *between, TokenShifts.of_aligned(part)]
        at = settled(views)
        for grouping in groups:
            sums = partial(grouping.sums, part)
            kl = [sums(view.kl) for view in views]
            found[grouping.name, COUNTED].add(TOKENS, part.numbers, sums(np.ones_like(at)))
            found[grouping.name, COUNTED].add(FIRST, part.numbers, sums(views[0].category == SHIFTED))
            for place, rung in enumerate((BASE, *stages, ALIGNED)):
                for key, values in _sums(views, kl, place, at, sums):
                    found[grouping.name, rung].add(key, part.numbers, values)
    return found


def _sums(
    views: list[TokenShifts],
    kl: list[Floats],
    place: int,
    at: NDArray[np.int64],
    sums: Callable[[NDArray[Any]], Floats],
) -> Iterator[tuple[Key, Floats]]:
    """What the measures of one rung are made of, by example and group, (E, G); so are the sums `kl` of all rungs."""
    view = views[place]
    yield KL, kl[place]
    for code, category in enumerate(CATEGORIES):
        yield (category, "", ""), sums(view.category == code)
    if place:
        yield from _flows(views[place - 1], view, sums)
        yield ("kl_closed", "", ""), kl[place - 1] - kl[place]
        yield ("settled", "", ""), sums((at == place) & (views[0].category == SHIFTED))


def settled(views: list[TokenShifts]) -> NDArray[np.int64]:
    """First rung from which on each token is unshifted to the end, (N,); len(views) where it is not in the last.

    >>> views = [TokenShifts(np.array(codes, np.int8), np.zeros(3)) for codes in ([2, 2, 0], [0, 0, 1], [0, 1, 0])]
    >>> settled(views).tolist()
    [1, 3, 2]
    """
    found = np.full(len(views[-1].category), len(views))
    for place in reversed(range(len(views))):
        found[(found == place + 1) & (views[place].category == UNSHIFTED)] = place
    return found


def _flows(
    before: TokenShifts, after: TokenShifts, sums: Callable[[NDArray[Any]], Floats]
) -> Iterator[tuple[Key, Floats]]:
    """Tokens that go from one category to another, by example and group, for all nine ways."""
    for code, category in enumerate(CATEGORIES):
        for other, into in enumerate(CATEGORIES):
            yield ("flow", category, into), sums((before.category == code) & (after.category == other))


def _rows(
    about: tuple[str, str, list[str]], key: Key, sums: tuple[Pooled, Pooled, Pooled], bootstrap: Bootstrap
) -> pd.DataFrame:
    """One measure of one rung; `sums` are above, below, and what is counted."""
    above, below, counted = sums
    found = bootstrap.ratio_of_sums((above.sum, above.drawn), (below.sum, below.drawn))
    columns: dict[str, Any] = dict(zip(("rung", "grouping", "group"), about, strict=True))
    columns |= dict(zip(("measure", "before", "after"), key, strict=True))
    columns |= dict(zip(("value", "low", "high"), found, strict=True))
    columns |= {"tokens": counted.sum.astype(int), "examples": counted.examples}
    return pd.DataFrame(columns)
