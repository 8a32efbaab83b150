"""What a judge wrote, read as scores and reasons. Pure functions; what cannot be read for certain is unscored."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

from superficial.judging.judges.aspects import HIGHEST, LOWEST

NO_REASON = "(the judge gave no reason)"
NO_JSON = "no JSON object with the aspects"
LONGEST = 100_000  # characters: twenty times the longest published judgment, and short enough to be read in no time
_NUMBER = re.compile(
    r"[\s*_'\"\[(]*(?:score\W{1,4})?([0-9]+(?:\.[0-9]+)?)\s*(?:/\s*5|out of 5)?[\s*_'\"\]).]*", re.IGNORECASE
)
_NONE = re.compile(r"\W*(?:n\W?a|none|null|not applicable)\W*", re.IGNORECASE)


@dataclass(frozen=True)
class Verdict:
    """A score from 1 to 5 with its reason; or NaN, and in `unscored` why there is no score."""

    score: float
    reason: str
    unscored: str = ""


def parse_score(value: Any) -> float | None:
    """The number that `value` says; None when it says none for certain. Halves are kept; the range is not checked.

    >>> [parse_score(one) for one in (4, 4.0, "4", " 4/5", "Score: 4", "**4.5**", "4 out of 5")]
    [4.0, 4.0, 4.0, 4.0, 4.0, 4.5, 4.0]
    >>> [parse_score(one) for one in ("4-5", "4/10", "-4", "four", "", None, True, [4], float("nan"))]
    [None, None, None, None, None, None, None, None, None]
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value) if value == value else None
        except OverflowError:  # a whole number of more than 308 digits
            return None
    found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    return float(found[1]) if found else None


def verdict(score: Any, reason: Any) -> Verdict:
    """One aspect's values into a verdict.

    >>> verdict("4", "clear, though 2 of 5 points are weak").score
    4.0
    >>> verdict("N/A", "no facts in it").unscored, verdict(0, "").unscored, verdict("good", "").unscored
    ('the judge said N/A', 'score 0 is not in 1..5', "no score in 'good'")
    """
    text = reason if isinstance(reason, str) else "" if reason is None else _shown(reason)
    if score is None or (isinstance(score, str) and _NONE.fullmatch(score)):
        return Verdict(nan, text, "the judge said N/A" if score is not None else "no score")
    number = parse_score(score)
    if number is None:
        return Verdict(nan, text, f"no score in {beginning(score)!r}")
    if not LOWEST <= number <= HIGHEST:
        return Verdict(nan, text, f"score {number:g} is not in 1..5")
    return Verdict(number, (text.strip() and text) or NO_REASON)


def beginning(value: Any) -> str:
    """The first characters of what stands where a score or choice should."""
    try:
        return str(value)[:40]
    except RecursionError:  # it could just be read
        return "something that is nested too deeply"


def _shown(reason: Any) -> str:
    """A reason that is no text, as JSON."""
    try:
        return json.dumps(reason, ensure_ascii=False)
    except RecursionError:  # it could just be read
        return "(a reason that is nested too deeply)"


def parse_scores(text: str, aspects: Sequence[str]) -> dict[str, Verdict]:
    """A verdict for each of `aspects` from a judge's completion.

    JSON is taken as it stands, whole, in a fence or amid prose; only where no JSON is to be found the layout of keys
    is read around broken quotes, line breaks and commas.

    >>> two = ["clarity", "depth"]
    >>> found = parse_scores('Sure:\\n```json\\n{"clarity": {"reason": "r", "score": "5"},}\\n```', two)
    >>> found["clarity"].score, found["depth"].unscored
    (5.0, 'the answer lacks this aspect')
    >>> found = parse_scores('{"clarity": {"reason": "it says "score": 1 here", "score": 4}}', two)
    >>> found["clarity"]
    Verdict(score=4.0, reason='it says "score": 1 here', unscored='')
    >>> parse_scores("The response is fine.", ["depth"])["depth"].unscored
    'no JSON object with the aspects'
    >>> parse_scores('{"depth": {"score": 5}} or rather {"depth": {"score": 1}}', ["depth"])["depth"].unscored
    'two answers that differ'
    """
    if len(text) > LONGEST:
        return {aspect: Verdict(nan, "", f"the answer has {len(text):,} characters") for aspect in aspects}
    found = answers(text, aspects)
    if not found:
        return {aspect: Verdict(nan, "", NO_JSON) for aspect in aspects}
    if any(other != found[0] for other in found[1:]):
        return {aspect: Verdict(nan, "", "two answers that differ") for aspect in aspects}
    missing = Verdict(nan, "", "the answer lacks this aspect")
    return {
        aspect: verdict(*fields(found[0][aspect], "score")) if aspect in found[0] else missing for aspect in aspects
    }


def answers(text: str, keys: Sequence[str], value: str = "score") -> list[dict[str, Any]]:
    """Objects of `text` that hold at least one of `keys`, with these alone, lower-cased: JSON, else what looks it.

    `value` is the field that stands beside "reason" for each key.
    """
    found = [chosen for one in _objects(text) if (chosen := _chosen(one, keys))]
    if not found:
        found = [chosen for one in _objects(_mended(text)) if (chosen := _chosen(one, keys))]
    if not found:
        loose = dict(_loose(text, keys, value))
        found = [loose] if loose else []
    return found


def fields(entry: Any, value: str) -> tuple[Any, Any]:
    """The field `value` and the reason of one aspect's entry, which may also be the bare value."""
    if not isinstance(entry, dict):
        return entry, None
    inner = {str(key).strip().lower(): part for key, part in entry.items()}
    reasons = [inner[key] for key in ("reason", "rationale", "explanation") if key in inner]
    return inner.get(value), reasons[0] if reasons else None


def _chosen(value: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    lowered = {str(key).strip().lower(): entry for key, entry in value.items()}
    found = {key: lowered[key] for key in keys if key in lowered}
    wrapped = next(iter(lowered.values())) if len(lowered) == 1 else None  # {"scores": {...}}
    return _chosen(wrapped, keys) if not found and isinstance(wrapped, dict) else found


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Outermost JSON objects of `text`, in order. Line breaks within strings are let pass."""
    decoder = json.JSONDecoder(strict=False)
    start = text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            if isinstance(value, dict):
                yield value
        start = text.find("{", end)


def _mended(text: str) -> str:
    """Without commas before a closing bracket. Used only on text that is no JSON as it stands.

    >>> _mended('{"a": {"reason": "so, }", "score": 3,},}')
    '{"a": {"reason": "so, }", "score": 3}}'
    """
    string = r'"(?:[^"\\]|\\.)*"'
    return re.sub(rf"({string})|,(\s*[}}\]])", lambda part: part[1] or part[2], text, flags=re.DOTALL)


def _loose(text: str, keys: Sequence[str], value: str = "score") -> Iterator[tuple[str, Any]]:
    """Pairs of key and value by layout: each key's part reaches to the next key; or lines such as "Depth: 4/5".

    >>> dict(_loose("**Depth**: 4/5\\nClarity - 3", ["clarity", "depth"]))
    {'depth': '4/5', 'clarity': '3'}
    """
    names = "|".join(map(re.escape, keys))
    heads = list(re.finditer(rf'[{{,]\s*"({names})"\s*:\s*(?=\{{)', text, re.IGNORECASE))
    for head, following in zip(heads, [*heads[1:], None][: len(heads)], strict=True):
        part = text[head.end() : following.start() if following else len(text)]
        if sum(other[1].lower() == head[1].lower() for other in heads) == 1:
            yield head[1].lower(), _fields(part, value)
    if not heads:
        lines = re.findall(rf"^[\W_]*({names})[\W_]*[:=\-][ \t*_]*(\S.*)$", text, re.IGNORECASE | re.MULTILINE)
        for name, rest in lines:
            if sum(other.lower() == name.lower() for other, _ in lines) == 1:
                yield name.lower(), re.split(r"\s[-–—(]", rest, maxsplit=1)[0].strip()


def _fields(part: str, value: str = "score") -> dict[str, str]:
    """Reason and value of one aspect's part; the value is the outermost one, because a reason may mention others.

    >>> _fields('{"reason": "says "5", then "score": 5", "score": 2}')
    {'reason': 'says "5", then "score": 5', 'score': '2'}
    >>> _fields('{"score": 2, "reason": "says "score": 5"}')
    {'reason': 'says "score": 5', 'score': '2'}
    """
    plain = rf'"{value}"\s*:\s*"?([^",{{}}\n]*)"?'
    before = re.match(rf'\{{\s*{plain}\s*,\s*"reason"\s*:\s*"(.*)"\s*,?\s*\}}', part, re.DOTALL)
    if before:
        return {"reason": before[2], value: before[1]}
    after = re.match(rf'\{{\s*"reason"\s*:\s*"(.*)"\s*,?\s*{plain}\s*,?\s*\}}', part, re.DOTALL)
    return {"reason": after[1], value: after[2]} if after else {}
