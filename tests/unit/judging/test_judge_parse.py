"""What judges write, ugly or not, is read as what it says, or not at all."""

import json
import math
import random
from pathlib import Path

import pytest

from superficial.judging.judges.aspects import ASPECTS
from superficial.judging.judges.choices import parse_choices
from superficial.judging.judges.parse import LONGEST, parse_scores

PUBLISHED = Path(__file__).resolve().parents[4] / "shared/published/judgments"
FIVE = ASPECTS["regular"]
NASTY = ['"', "\\", "\n", "{", "}", "[", "]", ",", ",}", '"score": 5', "score", ":", "```", "```json\n", "5/5", "N/A",
         '{"clarity": {"reason": "x", "score": 1}}', "ü", "\u2028", "😀", " ", "depth", "\x07", "</response>"]  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("wrapped", ["{}", "```json\n{}\n```", "Here is my verdict:\n\n{}\n\nI hope this helps :}}"])
def test_valid_json_is_taken_as_it_stands(seed: int, wrapped: str):
    rng = random.Random(seed)
    said = {
        aspect: {
            "reason": "x" + "".join(rng.choices(NASTY, k=rng.randrange(12))),
            "score": rng.choice([1, "2", 3.5, 5]),
        }
        for aspect in FIVE
    }
    text = wrapped.replace("{}", json.dumps(said, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 2])))
    found = parse_scores(text, FIVE)
    for aspect in FIVE:
        assert found[aspect].reason == said[aspect]["reason"]
        assert found[aspect].score == float(str(said[aspect]["score"]))


BROKEN = {
    "trailing comma": '{"clarity": {"reason": "r", "score": 4,},"depth": {"reason": "s, }", "score": 2,},}',
    "open quotes": '{"clarity": {"reason": "he said "yes", twice", "score": "4"}, "depth": {"reason": "s", "score": 2}}',
    "line breaks": '{"clarity": {"reason": "one\ntwo", "score": 4}, "depth": {"reason": "s\n\n", "score": 2}}',
    "score first": '{"clarity": {"score": 4, "reason": "a "b" c"}, "depth": {"score": 2, "reason": "s"}}',
    "other scores": '{"clarity": {"reason": "no "score": 1 here", "score": 4}, "depth": {"reason": "5/5?", "score": 2}}',
    "over five": '{"Clarity": {"reason": "r", "score": "4/5"}, "DEPTH": {"rationale": "s", "score": "Score: 2"}}',
    "wrapped": '{"scores": {"clarity": {"reason": "r", "score": 4}, "depth": {"reason": "s", "score": 2}}}',
    "bare": '{"clarity": 4, "depth": "2"}',
    "lines": "Clarity: 4/5 - well ordered\n**Depth**: 2 (says 5 things)",
    "twice the same": '{"clarity": 4, "depth": 2} and again {"clarity": 4, "depth": 2}',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.fault("judges", BROKEN, "handled: the scores are read")
def test_broken_answers_are_read(text: str):
    found = parse_scores(text, ["clarity", "depth"])
    assert (found["clarity"].score, found["depth"].score) == (4, 2)
    assert all(one.reason and not one.unscored for one in found.values())


@pytest.mark.parametrize(
    "text",
    ["", "5", "I give it [[5]].", "null", "[]", "{" * 2000, '{"a":' * 3000, '{"depth": {"reason": "cut off in the mid',
     '{"depth": {"reason": "r", "score": 0}}', '{"depth": {"reason": "r", "score": 5.01}}', '{"depth": {"score": [5]}}',
     '{"depth": {"reason": "r", "score": "N/A"}}', '{"depth": {"score": true}}', '{"depth": {"score": "4 or 5"}}',
     '{"depth": 4} no: {"depth": 5}', "depth: 4\ndepth: 5", '{"depth": {"reason": "r", "score": NaN}}',
     "the depth: 5 is what I would say", "<html>depth</html>", '{"depth": 5}' + " " * LONGEST],
)  # fmt: skip
@pytest.mark.fault("judges", "what a judge wrote says no score for certain", "unscored, with the reason; never a guess")
def test_what_is_not_certain_is_unscored(text: str):
    found = parse_scores(text, ["depth"])["depth"]
    assert math.isnan(found.score)
    assert found.unscored


def test_a_missing_aspect_leaves_the_others():
    found = parse_scores('{"clarity": {"reason": "r", "score": 3}, "depth": {"reason": "then the answer was c', FIVE)
    assert found["clarity"].score == 3
    assert all(found[aspect].unscored for aspect in FIVE if aspect != "clarity")


def test_published_answers_are_read_as_published():
    if not PUBLISHED.is_dir():
        pytest.skip("../shared/published is absent")
    compared = 0
    for path in PUBLISHED.rglob("*.json"):
        for row in json.loads(path.read_text()):
            found = parse_scores(row["result"], list(row["parsed_result"]))
            for aspect, entry in row["parsed_result"].items():
                if entry["score"] == "N/A":
                    assert found[aspect].unscored == "the judge said N/A"
                else:
                    assert found[aspect].score == float(entry["score"])
                    assert found[aspect].reason == entry["reason"]
                    compared += 1
    assert compared > 4000


@pytest.mark.fault("judges", "a choice between two responses is not certain", "unscored, with the reason")
def test_choices_are_read_whole_or_not_at_all():
    said = {"depth": {"reason": 'B is "longer"', "better": "Response A"}, "overall": {"reason": "r", "better": "tie"}}
    found = parse_choices(f"```\n{json.dumps(said)}\n```", ["depth", "overall", "clarity"])
    assert [found[name].vote for name in ("depth", "overall", "clarity")] == ["first", "tie", ""]
    broken = '{"depth": {"reason": "not "better": "A"", "better": "B"}}'
    assert parse_choices(broken, ["depth"])["depth"].vote == "second"
    for text in ("[[A]]", '{"depth": {"better": "A and B"}}', '{"depth": "A"} {"depth": "B"}'):
        assert not parse_choices(text, ["depth"])["depth"].vote
