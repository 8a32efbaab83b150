"""Which response tokens are thinking (1) and which are the answer (0); and how each of the two parts shifts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from superficial.shift.category import CATEGORIES
from superficial.shift.kinds.classify import KINDS
from superficial.shift.kinds.language import counts_hold
from superficial.shift.statistics.bootstrap import Bootstrap, Floats
from superficial.shift.statistics.token_table import TokenTable

PARTS = ("answer", "thinking")  # by the number of the token
ALL = "all"  # kinds
DIVERGENCES = ("kl_aligned_base", "kl_base_aligned", "js")


def values(part: TokenTable) -> Floats:
    """One number a token, (N,)."""
    return part.column("thinking").astype(np.float64)


def statistics(table: TokenTable, bootstrap: Bootstrap) -> pd.DataFrame:
    """Rows (part, kind, measure, value, low, high, tokens, examples) of the parts and kinds that occur.

    Kinds are left out where responses are not in their language.

    Measures: `unshifted`, `marginal` and `shifted` are shares of the tokens of part and kind (kind `all`: of the whole
    part); `share_of_tokens` is their share of all tokens of the response, or of the part where a kind is named; the
    divergences are means in nats. tokens and examples hold the part and kind. Examples are drawn, not tokens.
    """
    kinds = (ALL, *(KINDS if counts_hold(table.kind_counts) else ()))
    sums = table.by_example(lambda part: _sums(part, kinds))
    lengths, rows = table.lengths.astype(np.float64), []
    for number, name in enumerate(PARTS):
        for at, kind in enumerate(kinds):
            tokens, *above = np.moveaxis(sums[:, number, at], 1, 0)
            if not tokens.any():
                continue
            ratios = {measure: (one, tokens) for measure, one in zip((*CATEGORIES, *DIVERGENCES), above, strict=True)}
            ratios["share_of_tokens"] = (tokens, lengths if kind == ALL else sums[:, number, 0, 0])
            for measure in (*CATEGORIES, "share_of_tokens", *DIVERGENCES):
                value, low, high = bootstrap.ratio(*(one[:, None] for one in ratios[measure]))
                row = {"part": name, "kind": kind, "measure": measure, "value": value, "low": low, "high": high}
                rows.append(pd.DataFrame(row).assign(tokens=int(tokens.sum()), examples=int((tokens > 0).sum())))
    return pd.concat(rows, ignore_index=True)


def _sums(part: TokenTable, kinds: Sequence[str]) -> Floats:
    """Tokens, tokens of each category, and each divergence, by example, PARTS and kind: (E, 2, K, 1 + 3 + 3)."""
    inside = part.column("thinking").astype(np.int8)
    found = []
    for number in range(len(PARTS)):
        for kind in kinds:
            chosen = inside == number
            if kind != ALL:
                chosen &= part.kind == KINDS.index(kind)
            counted = [chosen, *(chosen & (part.category == code) for code in range(len(CATEGORIES)))]
            counted += [np.where(chosen, part.column(name), 0) for name in DIVERGENCES]
            found.append(np.stack([part.totals(one)[:, 0] for one in counted], axis=1))
    return np.stack(found, axis=1).reshape(part.examples, len(PARTS), len(kinds), -1)
