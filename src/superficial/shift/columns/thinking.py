"""Which response tokens are thinking (1) and which are the answer (0); and how each of the two parts shifts."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from superficial.shift.category import CATEGORIES
from superficial.shift.kinds.classify import KINDS
from superficial.shift.kinds.language import kinds_of_tokens_hold
from superficial.shift.statistics.bootstrap import Bootstrap, Floats
from superficial.shift.statistics.token_table import TokenTable

PARTS = ("answer", "thinking")  # by the number of the token
DIVERGENCES = ("kl_aligned_base", "kl_base_aligned", "js")


def values(table: TokenTable) -> Floats:
    """One number a token, (N,)."""
    return table.column("thinking").astype(np.float64)


def statistics(table: TokenTable, values: Floats, bootstrap: Bootstrap) -> pd.DataFrame:
    """Rows (part, kind, measure, value, low, high, tokens, examples) of the parts and kinds that occur.

    Kinds are left out where responses are not in their language.

    Measures: `unshifted`, `marginal` and `shifted` are shares of the tokens of part and kind (kind `all`: of the whole
    part); `share_of_tokens` is their share of all tokens of the response, or of the part where a kind is named; the
    divergences are means in nats. tokens and examples hold the part and kind. Examples are drawn, not tokens.
    """
    kinds = table.codes("kind", KINDS)
    named = KINDS if kinds_of_tokens_hold(kinds) else ()
    rows: list[pd.DataFrame] = []
    for number, part in enumerate(PARTS):
        inside = values == number
        whole = table.totals(inside)  # (E, 1)
        if not whole.any():
            continue
        chosen = {"all": (inside, table.lengths[:, None].astype(np.float64))}
        chosen |= {kind: (inside & (kinds == code), whole) for code, kind in enumerate(named)}
        for kind, (tokens, among) in chosen.items():
            counts = table.totals(tokens)
            for measure, above, below in _measures(table, tokens, counts, among) if counts.any() else ():
                value, low, high = bootstrap.ratio(above, below)
                row = {"part": part, "kind": kind, "measure": measure, "value": value, "low": low, "high": high}
                rows.append(pd.DataFrame(row).assign(tokens=int(counts.sum()), examples=int((counts > 0).sum())))
    return pd.concat(rows, ignore_index=True)


def _measures(table: TokenTable, tokens: Floats, counts: Floats, among: Floats) -> Iterator[tuple[str, Floats, Floats]]:
    """Name, numerators (E, 1) and denominators (E, 1) of each measure of some tokens, (N,) of 0 and 1."""
    for code, category in enumerate(CATEGORIES):
        yield category, table.totals(tokens & (table.category == code)), counts
    yield "share_of_tokens", counts, among
    for name in DIVERGENCES:
        yield name, table.totals(np.where(tokens, table.column(name), 0)), counts
