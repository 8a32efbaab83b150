"""Whatever a judge writes: no text makes the parsers fail, and no score is one that the judge did not write."""

import json
import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from superficial.judging.judges.choices import parse_choices
from superficial.judging.judges.parse import NO_REASON, parse_score, parse_scores

ASPECTS = ("clarity", "depth")
NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
PIECES = st.sampled_from(
    [
        "{", "}", "[", "]", ",", ":", '"', "\n", " ", "\\", "```json", "```", '"clarity"', '"depth"', '"score"', '"reason"',
        '"better"', "Depth", "clarity", "4", "5", "0", "3.5", "-1", "1e0", "4/5", "N/A", "null", "true", "NaN", "Infinity",
        '"A"', '"B"', '"tie"', '{"depth": {"reason": "', '", "score": ', '{"clarity": ', "}}",
    ]
)  # fmt: skip
SAID = st.lists(PIECES | st.text(max_size=6), max_size=40).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ASPECTS, "score", "reason", "better", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)


def check_scores(text: str) -> None:
    """Every aspect has a score that stands in `text`, or a reason why it has none."""
    for one in parse_scores(text, ASPECTS).values():
        assert math.isnan(one.score) == bool(one.unscored)
        if not one.unscored:
            assert 1 <= one.score <= 5
            assert "\\u" in text or one.score in map(float, NUMBER.findall(text))
            assert one.reason


@given(SAID)
@example('{"depth": {"score": 4, "reason": "r"}}')
@example("Depth: 4/5")
def test_no_text_makes_up_a_score(text: str):
    check_scores(text)


@given(JSON)
@example({"depth": {"score": 10**400}})
def test_any_json_is_read_or_unscored(value: object):
    check_scores(json.dumps(value))
    for said in parse_choices(json.dumps(value), ASPECTS).values():
        assert (said.vote == "") == bool(said.unscored)
    found = parse_score(value)
    assert found is None or isinstance(found, float)


@pytest.mark.parametrize("depth", range(100, 1000, 50))
def test_what_is_nested_deeply(depth: int):
    nested = "[" * depth + "]" * depth
    check_scores(f'{{"depth": {{"score": 4, "reason": {nested}}}}}')
    check_scores(f'{{"depth": {{"score": {nested}, "reason": "r"}}}}')
    assert parse_choices(f'{{"depth": {{"better": {nested}}}}}', ["depth"])["depth"].vote == ""


@given(SAID)
def test_no_text_makes_up_a_choice(text: str):
    for one in parse_choices(text, ASPECTS).values():
        assert one.vote in ("first", "second", "tie", "")
        assert (one.vote == "") == bool(one.unscored)
        if one.vote in ("first", "second"):
            assert "\\u" in text or re.search("[aA]" if one.vote == "first" else "[bB]", text)


@given(st.dictionaries(st.sampled_from(ASPECTS), st.tuples(st.integers(1, 5), st.text()), min_size=1), st.booleans())
@example({"depth": (4, 'it says "score": 1, {"depth": 5}')}, True)
def test_valid_json_comes_back(said: dict[str, tuple[int, str]], ascii_only: bool):
    written = {aspect: {"reason": reason, "score": score} for aspect, (score, reason) in said.items()}
    found = parse_scores(f"Here:\n```json\n{json.dumps(written, ensure_ascii=ascii_only)}\n```\nDone.", ASPECTS)
    for aspect in ASPECTS:
        if aspect in said:
            score, reason = said[aspect]
            assert (found[aspect].score, found[aspect].reason) == (score, reason if reason.strip() else NO_REASON)
        else:
            assert found[aspect].unscored == "the answer lacks this aspect"
