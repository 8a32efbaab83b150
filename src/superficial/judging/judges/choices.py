"""Which of two responses a judge prefers, read from what it wrote. Pure functions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, Literal

from superficial.judging.judges.parse import LONGEST, NO_JSON, NO_REASON, answers, beginning, fields

_CHOICE = re.compile(r"\W*(?:(?:response|answer|assistant)\W*)?([ab])\W*", re.IGNORECASE)
_TIE = re.compile(r"\W*(?:tie|tied|equal|both|neither|draw|none)\W*", re.IGNORECASE)


@dataclass(frozen=True)
class Choice:
    """The response preferred, "first" or "second" as shown; or "", and in `unscored` why there is no verdict."""

    vote: Literal["first", "second", "tie", ""]
    reason: str
    unscored: str = ""
    p_first: float = nan  # probability of "first", where the judge gives one


def choice(value: Any, reason: Any) -> Choice:
    """One aspect's values into a choice.

    >>> [choice(one, "").vote for one in ("A", "response B", "**tie**", "Neither.", "C", "A or B", 1)]
    ['first', 'second', 'tie', 'tie', '', '', '']
    """
    text = reason.strip() if isinstance(reason, str) and reason.strip() else NO_REASON
    if isinstance(value, str) and (found := _CHOICE.fullmatch(value)):
        return Choice("first" if found[1].lower() == "a" else "second", text)
    if isinstance(value, str) and _TIE.fullmatch(value):
        return Choice("tie", text)
    return Choice("", text, "no verdict" if value is None else f"no verdict in {beginning(value)!r}")


def parse_choices(text: str, aspects: Sequence[str]) -> dict[str, Choice]:
    """A choice for each of `aspects` from a judge's completion. Only a whole verdict counts, never a letter in passing.

    >>> found = parse_choices('{"depth": {"reason": "A is longer", "better": "B"}}', ["depth", "overall"])
    >>> found["depth"].vote, found["overall"].unscored
    ('second', 'the answer lacks this aspect')
    >>> parse_choices("[[A]] is what I would say if I were asked to.", ["overall"])["overall"].unscored
    'no JSON object with the aspects'
    """
    if len(text) > LONGEST:
        return {aspect: Choice("", "", f"the answer has {len(text):,} characters") for aspect in aspects}
    found = answers(text, aspects, "better")
    if not found:
        return {aspect: Choice("", "", NO_JSON) for aspect in aspects}
    if any(other != found[0] for other in found[1:]):
        return {aspect: Choice("", "", "two answers that differ") for aspect in aspects}
    missing = Choice("", "", "the answer lacks this aspect")
    return {
        aspect: choice(*fields(found[0][aspect], "better")) if aspect in found[0] else missing for aspect in aspects
    }
