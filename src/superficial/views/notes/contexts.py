"""What a context recovers, in words: the numbers as measured, and where n is too small to tell."""

from collections.abc import Sequence

import pandas as pd

from superficial.config.schema import ContextTitle
from superficial.probes.contexts.recovery import AGAINST, COMPARED
from superficial.views.notes.names import NO_KINDS

NUMBERS = ("", "One example", "Two examples", "Three examples", "Four examples", "Five examples")
TOO_FEW = "too few"


def sentences(table: pd.DataFrame, context: ContextTitle, min_examples: int) -> list[str]:
    """Two or three sentences about `context`; `table` is that of `recovery` for one pair.

    What fewer than `min_examples` responses say is not told; with fewer in all, there is one sentence that says so.
    """
    rows = table[table["context"] == context.name].set_index(["grouping", "group", "measure"])
    found = _Found(rows, min_examples)
    count = rows.loc[("all", "all", "kl_closed"), "examples"]
    if count < min_examples:
        return [f"{context.title}: n = {count} is {TOO_FEW} to tell what it recovers."]
    closed = found.share("all", "all", "kl_closed")
    recovered, lost = (found.share("all", "all", measure) for measure in ("recovered", "lost"))
    whole = f"{_who(context)} {closed} of the shift (KL){found.doubt('all', 'all', 'kl_closed')}"
    if by_kind(table):
        kinds = ", ".join(f"{kind} {found.share('kind', kind, 'kl_closed')}" for kind in (*COMPARED, AGAINST))
        beyond = f"Closed beyond content: {'; '.join(found.beyond(kind) for kind in COMPARED)}."
        told = [f"{whole}; {kinds}.", beyond]
    else:
        told = [f"{whole}. {NO_KINDS}"]
    return [
        *told,
        f"Of the shifted tokens {recovered} become the base's first choice, of the unshifted {lost} cease to be it: "
        f"unshifted {found.points('all', 'all', 'gained')}{found.doubt('all', 'all', 'gained')}.",
    ]


def by_kind(table: pd.DataFrame) -> bool:
    """Whether the table has kinds of token; it has none where responses are not in their language."""
    return bool((table["grouping"] == "kind").any())


def _who(context: ContextTitle) -> str:
    count = context.examples
    if not count:
        return f"{context.title} closes"
    who = NUMBERS[count] if count < len(NUMBERS) else f"{count} examples"
    return f"{who} ({context.title}) close{'s' if count == 1 else ''}"


class _Found:
    """Numbers of one context, as text."""

    def __init__(self, rows: pd.DataFrame, min_examples: int) -> None:
        self._rows = rows
        self._enough = min_examples

    def _row(self, key: Sequence[str]) -> "pd.Series[float] | None":
        """The row, if enough responses stand behind it."""
        if tuple(key) not in self._rows.index:
            return None
        row = self._rows.loc[tuple(key)]
        return None if row["examples"] < self._enough or pd.isna(row["value"]) else row

    def share(self, *key: str) -> str:
        row = self._row(key)
        return TOO_FEW if row is None else _interval(row, "{:.1f}", " %")

    def points(self, *key: str) -> str:
        row = self._row(key)
        return TOO_FEW if row is None else _interval(row, "{:+.1f}", " points")

    def doubt(self, *key: str) -> str:
        """What to add when the interval holds 0."""
        row = self._row(key)
        if row is None or row["low"] > 0 or row["high"] < 0:
            return ""
        return f", which n = {int(row['examples'])} cannot tell from 0"

    def beyond(self, kind: str) -> str:
        key = ("kind", kind, "kl_closed_more")
        return f"{kind} {self.points(*key)}{self.doubt(*key)}"


def _interval(row: "pd.Series[float]", form: str, unit: str) -> str:
    # Rounding first, so that nothing is shown as minus zero.
    value, low, high = (form.format(round(100 * row[name], 1) + 0.0) for name in ("value", "low", "high"))
    return f"{value}{unit} [{low}, {high}]".replace("-", "−")
