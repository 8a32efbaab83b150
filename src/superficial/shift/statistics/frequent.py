"""Which tokens shift: lists by count and by rate for each category (paper, figure 3)."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.shift.category import CATEGORIES
from superficial.shift.statistics.bootstrap import Bootstrap, Floats, product
from superficial.shift.statistics.token_table import BLOCK, TokenTable


def frequent_tokens(table: TokenTable, top: int, min_occurrences: int, bootstrap: Bootstrap) -> pd.DataFrame:
    """The `top` tokens of each category, by `count` and by `rate`.

    Columns: order (which of the two), category, token_id, token, count, occurrences, rate, and the intervals count_low,
    count_high, rate_low, rate_high. They are those of a token that was named beforehand; that the list was chosen by
    the same data is not in them.

    `occurrences` counts the token id in all responses, whatever its category; rate = count / occurrences. The list by
    rate holds only tokens that occur at least `min_occurrences` times. Ids are the key: two ids may read alike.
    """
    token = table.column("token_id")
    size = len(CATEGORIES)
    flat = np.bincount(token.astype(np.int64) * size + table.category).astype(np.int64)
    every = np.pad(flat, (0, -len(flat) % size)).reshape(-1, size)  # (V, 3)
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
    return _described(pd.concat(parts, ignore_index=True), table, token, bootstrap)


def _described(found: pd.DataFrame, table: TokenTable, token: NDArray[np.int32], bootstrap: Bootstrap) -> pd.DataFrame:
    """The listed tokens with their texts and intervals."""
    listed, place = np.unique(found["token_id"].to_numpy(), return_inverse=True)
    number = np.full(int(token.max()) + 1, -1, np.int32)  # of each id in `listed`
    number[listed] = np.arange(len(listed))
    first = np.full(len(listed), -1, np.int64)  # row where each stands for the first time
    category = [CATEGORIES.index(name) for name in found["category"]]
    count, every = (np.zeros((len(bootstrap.counts), size)) for size in (len(found), len(listed)))
    for start in range(0, table.examples, BLOCK):
        stop = min(start + BLOCK, table.examples)
        rows = np.arange(table.starts[start], table.starts[stop] if stop < table.examples else len(token))
        rows = rows[number[token[rows]] >= 0]
        at = number[token[rows]]
        new, where = np.unique(at, return_index=True)
        unseen = first[new] < 0
        first[new[unseen]] = rows[where[unseen]]
        by_example = _counts(table, rows, at, (start, stop), len(listed))  # (E, L, 3)
        counts = bootstrap.counts[:, start:stop]
        count += product(counts, by_example[:, place, category])  # whole numbers: their sums are exact in any order
        every += product(counts, by_example.sum(axis=2))
    found.insert(3, "token", np.array(table.texts(first), dtype=object)[place])
    with np.errstate(invalid="ignore"):
        rate = count / every[:, place]
    for name, draws in (("count", count), ("rate", rate)):
        found[f"{name}_low"], found[f"{name}_high"] = bootstrap.interval(draws)
    return found


def _counts(
    table: TokenTable, rows: NDArray[np.int64], at: NDArray[np.int32], examples: tuple[int, int], size: int
) -> Floats:
    """Tokens by example (from the first one up to the second), listed token (`at`) and category, (E, size, 3)."""
    start, stop = examples
    shape = (stop - start, size, len(CATEGORIES))
    flat = np.ravel_multi_index((table.example[rows] - start, at, table.category[rows]), shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)
