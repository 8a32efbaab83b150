"""Which tokens shift: lists by count and by rate for each category (paper, figure 3)."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.shift.category import CATEGORIES
from superficial.shift.statistics.bootstrap import Bootstrap, Floats, product
from superficial.shift.statistics.token_table import TokenTable


def frequent_tokens(table: TokenTable, top: int, min_occurrences: int, bootstrap: Bootstrap) -> pd.DataFrame:
    """The `top` tokens of each category, by `count` and by `rate`.

    Columns: order (which of the two), category, token_id, token, count, occurrences, rate, and the intervals count_low,
    count_high, rate_low, rate_high. They are those of a token that was named beforehand; that the list was chosen by
    the same data is not in them.

    `occurrences` counts the token id in all responses, whatever its category; rate = count / occurrences. The list by
    rate holds only tokens that occur at least `min_occurrences` times. Ids are the key: two ids may read alike.
    """
    every = _everywhere(table)
    ids = np.flatnonzero(every.any(axis=1))
    counts = every[ids]
    occurrences = counts.sum(axis=1)
    parts = []
    for index, name in enumerate(CATEGORIES):
        count = counts[:, index]
        rate = count / occurrences
        # Ties are ordered by id, so that equal runs give equal tables.
        for order, rows in (
            ("count", np.lexsort((ids, -rate, -count))),
            ("rate", np.lexsort((ids, -count, -rate))),
        ):
            enough = (count > 0) & ((occurrences >= min_occurrences) | (order == "count"))
            chosen = rows[enough[rows]][:top]
            columns = {"order": order, "category": name, "token_id": ids[chosen]}
            columns |= {"count": count[chosen], "occurrences": occurrences[chosen], "rate": rate[chosen]}
            parts.append(pd.DataFrame(columns))
    return _described(pd.concat(parts, ignore_index=True), table, len(every), bootstrap)


def _everywhere(table: TokenTable) -> NDArray[np.int64]:
    """How often each token id is in each category, (V, 3)."""
    found = np.zeros((0, len(CATEGORIES)), np.int64)
    for part in table.parts():
        token = part.column("token_id").astype(np.int64)
        found = np.pad(found, ((0, max(int(token.max()) + 1 - len(found), 0)), (0, 0)))
        found += np.bincount(token * len(CATEGORIES) + part.category, minlength=found.size).reshape(found.shape)
    return found


def _described(found: pd.DataFrame, table: TokenTable, vocabulary: int, bootstrap: Bootstrap) -> pd.DataFrame:
    """The listed tokens with their texts and intervals; all ids are below `vocabulary`."""
    listed, place = np.unique(found["token_id"].to_numpy(), return_inverse=True)
    number = np.full(vocabulary, -1, np.int32)  # of each id in `listed`
    number[listed] = np.arange(len(listed))
    texts, seen = np.empty(len(listed), object), np.zeros(len(listed), bool)  # texts are those where each comes first
    category = [CATEGORIES.index(name) for name in found["category"]]
    count, every = (np.zeros((len(bootstrap.counts), size)) for size in (len(found), len(listed)))
    for part in table.parts():
        token = part.column("token_id")
        rows = np.flatnonzero(number[token] >= 0)
        at = number[token[rows]]
        new, where = np.unique(at, return_index=True)
        unseen = ~seen[new]
        if unseen.any():
            texts[new[unseen]] = part.texts(rows[where[unseen]])
            seen[new] = True
        by_example = _counts(part, rows, at, len(listed))  # (E, L, 3)
        counts = bootstrap.counts[:, part.numbers]
        count += product(counts, by_example[:, place, category])  # whole numbers: their sums are exact in any order
        every += product(counts, by_example.sum(axis=2))
    found.insert(3, "token", texts[place])
    with np.errstate(invalid="ignore"):
        rate = count / every[:, place]
    for name, draws in (("count", count), ("rate", rate)):
        found[f"{name}_low"], found[f"{name}_high"] = bootstrap.interval(draws)
    return found


def _counts(table: TokenTable, rows: NDArray[np.int64], at: NDArray[np.int32], size: int) -> Floats:
    """Tokens by example, listed token (`at`, in some `rows`) and category, (E, size, 3)."""
    shape = (table.examples, size, len(CATEGORIES))
    flat = np.ravel_multi_index((table.example[rows], at, table.category[rows]), shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)
