"""The four failures, each on hand-made answers."""

import numpy as np
import pandas as pd
import pytest
from support.answers import Letters, answered

from superficial.judging.responses.failures import MEASURES, echo_run, invents_query, is_echo, measure
from superficial.judging.responses.stage import answer_table, beyond

QUERY = "How do I keep a fern alive in a dark room?"


def measured(decoded: str, query: str = QUERY) -> dict[str, float]:
    row = answered(decoded)
    rest = next(beyond(pd.DataFrame([row]), Letters()))
    return measure(query, row["text"], row["token_ids"], row["finish_reason"], 0.0, rest)


def test_a_good_answer_has_no_failure():
    found = measured("Put it near the window, and water it once a week.\n```\n\n")
    assert found["stopped"] == 1
    assert found["words"] == 11
    assert all(found[name] == 0 for name in ("runs_on", "loops", "echoes", "invents", "fails", "empty"))


def test_each_failure_is_found_alone():
    cases = {
        "runs_on": "Put it near the window and then",
        "loops": "water it well. " * 30 + "\n```\n\n",
        "echoes": f"{QUERY} Put it near the window.\n```\n\n",
        "invents": "Put it near the window.\n\n# Query:",
    }
    for name, decoded in cases.items():
        found = measured(decoded)
        assert [key for key in cases if found[key] == 1] == [name], name
        assert found["fails"] == 1


def test_an_answer_that_closes_its_fence_made_up_nothing_whatever_comes_after():
    assert measured("Near the window.\n```\n# Query:")["invents"] == 0
    assert measured("# Query:")["invents"] == 1
    assert measured("# Query:")["empty"] == 1


def test_a_query_made_up_under_any_template_counts():
    assert invents_query("Is tea hot?", "Yes.", "\n\nFrage:")
    assert not invents_query("Is tea hot?", "Yes.", "\n ```\n")


def test_echo_counts_words_in_a_row_at_the_beginning():
    assert echo_run(QUERY, "HOW do I keep -- a fern? No idea.") == (6, 11)
    assert echo_run(QUERY, "Sure! You asked: how do I keep a fern alive in a dark room? Well.")[0] == 11
    late = "word " * 40
    assert echo_run(QUERY, late + QUERY)[0] == 0
    assert echo_run("", "anything") == (0, 0)
    assert [is_echo(run, 10) for run in (7, 8)] == [False, True]
    assert [is_echo(run, 500) for run in (19, 20)] == [False, True]
    assert not is_echo(1, 1)


@pytest.mark.parametrize(
    ("text", "invented"),
    [
        ("Yes.\nUser: and ice?", True),
        ("Yes.\n\n### Question 2: and ice?", True),
        ("Yes.\n**Query:** and ice?", True),
        ("Yes.\n\n# Query:\n```Is ice cold?", True),  # inside a block that was never closed
        ("User: is tea hot?", False),  # the beginning: that is an echo, or none
        ("Yes.\n```yaml\nuser: me\n```\nThat is all.", False),
        ("Yes, every user: all of them.", False),
        ("Yes.\nQuestions: none.", False),
    ],
)
def test_a_further_turn_is_a_line_below_the_beginning(text: str, invented: bool):
    assert invents_query("Is tea hot?", text, "") == invented


def test_a_word_of_the_instruction_opens_no_turn():
    text = "Here they are.\nQuestion 1: Why us?"
    assert invents_query("Is tea hot?", text, "")
    assert not invents_query("Write an interview question.", text, "")


def test_the_answer_to_a_conversation_is_measured_against_its_last_query():
    turns = [["Is tea hot?", QUERY], [QUERY, "Is tea hot, or is it not?"]]
    data = pd.DataFrame({"id": ["a", "b"], "instruction": [those[0] for those in turns], "category": "regular"})
    responses = pd.DataFrame([{"id": name, **answered(f"{QUERY} Near it.\n```\n\n")} for name in ("a", "b")])
    assert answer_table(data.assign(turns=turns), responses, [None, None])["echoes"].tolist() == [1, 0]
    assert answer_table(data, responses, [None, None])["echoes"].tolist() == [0, 1]


def test_what_cannot_be_known_is_blank_and_not_a_failure():
    row = {"text": "Hello.", "token_ids": [], "finish_reason": "stop"}
    assert list(beyond(pd.DataFrame([row]), Letters())) == [None]
    assert list(beyond(pd.DataFrame([answered("Hello.\n\n# Query:")]), None)) == [None]
    other = {"text": "Hello.", "token_ids": [ord("x")] * 9, "finish_reason": "stop"}  # tokenized by somebody else
    assert list(beyond(pd.DataFrame([other]), Letters())) == [None]
    found = measure(QUERY, "Hello.", np.array([]), "stop", np.nan, None)
    assert {name for name in MEASURES if np.isnan(found[name])} == {"tokens", "repeated", "loops", "near_ties"}
    assert found["fails"] == 0
