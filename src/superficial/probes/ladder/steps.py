"""What every step of a ladder changes: the same responses, scored by one stage of training after the other."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.probes.contexts.grouping import Grouping
from superficial.probes.contexts.recovery import SHIFTED, UNSHIFTED, TokenShifts
from superficial.shift.category import CATEGORIES
from superficial.shift.statistics.bootstrap import Bootstrap, Floats
from superficial.shift.statistics.token_table import TokenTable

GROUPINGS = ("all", "kind", "instruction")
Ratio = tuple[Floats, Floats]  # sums by example and group (E, G) above, and below


def ladder(
    table: TokenTable, rungs: Mapping[str, TokenShifts], groups: Iterable[Grouping], bootstrap: Bootstrap
) -> pd.DataFrame:
    """Rows (rung, grouping, group, measure, before, after, value, low, high, tokens, examples).

    `rungs` are the base, the stages in the order of training, and the aligned model in its own place. Measures, pooled
    over the tokens of a group:
    - `kl`: mean KL(aligned || rung), nats; and the shares `unshifted`, `marginal` and `shifted`;
    - `flow`: share of the tokens that are in category `before` in the rung below and in `after` in this one;
    - `kl_closed`: the part of the base's KL that this step closes; over all steps it sums to 1;
    - `settled`: of the tokens that are shifted in the base, those that are unshifted from this rung on to the last, and
      not in the one below. Tokens that the aligned model itself does not rank first are settled nowhere.

    `tokens` and `examples` are what a share is a share of.
    """
    names, views = list(rungs), list(rungs.values())
    at = settled(views)
    parts = []
    for grouping in (one for one in groups if one.name in GROUPINGS):
        sums = partial(grouping.sums, table)
        tokens, kl = sums(np.ones(len(at), np.int8)), [sums(view.kl) for view in views]
        first = sums(views[0].category == SHIFTED)
        for place, (name, view) in enumerate(zip(names, views, strict=True)):
            found: dict[tuple[str, str, str], Ratio] = {("kl", "", ""): (kl[place], tokens)}
            for code, category in enumerate(CATEGORIES):
                found[category, "", ""] = (sums(view.category == code), tokens)
            if place:
                found |= {key: (above, tokens) for key, above in _flows(views[place - 1], view, sums)}
                found["kl_closed", "", ""] = (kl[place - 1] - kl[place], kl[0])
                here = (at == place) & (views[0].category == SHIFTED)
                found["settled", "", ""] = (sums(here), first)
            for key, (above, below) in found.items():
                counted = first if key[0] == "settled" else tokens
                parts.append(_rows((name, grouping.name), grouping.groups, key, bootstrap.ratio(above, below), counted))
    return pd.concat(parts, ignore_index=True)


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
) -> Iterator[tuple[tuple[str, str, str], Floats]]:
    """Tokens that go from one category to another, by example and group, for all nine ways."""
    for code, category in enumerate(CATEGORIES):
        for other, into in enumerate(CATEGORIES):
            yield ("flow", category, into), sums((before.category == code) & (after.category == other))


def _rows(
    about: tuple[str, str],
    groups: list[str],
    key: tuple[str, str, str],
    found: tuple[Floats, Floats, Floats],
    counted: Floats,
) -> pd.DataFrame:
    columns: dict[str, Any] = dict(zip(("rung", "grouping"), about, strict=True)) | {"group": groups}
    columns |= dict(zip(("measure", "before", "after"), key, strict=True))
    columns |= dict(zip(("value", "low", "high"), found, strict=True))
    columns |= {"tokens": counted.sum(axis=0).astype(int), "examples": (counted > 0).sum(axis=0)}
    return pd.DataFrame(columns)
