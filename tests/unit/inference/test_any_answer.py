"""The stop rule on any text: it never fails, cuts at one place however the text comes, and never changes its mind."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from superficial.inference.generate.stop import cut_by_rule, may_end

# Pieces that mean something to the rule, among text.
PIECES = st.sampled_from(
    [
        "```",
        "````",
        "`",
        "\n",
        "\n\n",
        "# Query:",
        "# Answer:",
        "Sure",
        ":",
        " ",
        "- ",
        "1. ",
        "python",
        "é",
        "\r\n",
        "Q:",
        "\t",
    ]
) | st.text(max_size=4)
RULES = ["fence", "Q:", "### Instruction:", "end_of_turn"]
ANY = st.lists(PIECES, max_size=24)


@pytest.mark.parametrize("rule", RULES)
@given(ANY, ANY)
@example(["Sure.", "\n", "```"], ["\n\n", "# Query:"])
@example(["```", "\n", "x", "\n", "```"], ["\n", "```"])
def test_a_decision_stands_whatever_follows(rule: str, before: list[str], after: list[str]):
    text = "".join(before)
    cut, found = cut_by_rule(text, rule)
    assert text.startswith(cut)
    if not found:
        assert cut == text
    else:
        assert cut_by_rule(text + "".join(after), rule) == (cut, True)
        assert cut_by_rule(text, rule, final=True) == (cut, True)


@pytest.mark.parametrize("rule", RULES)
@given(ANY)
@example(["Sure.", "\n", "```", "\n", "# Query:"])
def test_piece_by_piece_is_the_whole(rule: str, pieces: list[str]):
    """Decoding looks at the whole text only after pieces that may end it, so no decision may fall elsewhere."""
    text, decided = "", None
    for piece in pieces:
        text += piece
        cut, found = cut_by_rule(text, rule)
        if found and decided is None and piece:
            decided = cut
            assert may_end(piece, rule)
    assert cut_by_rule(text, rule) == ((decided, True) if decided is not None else (text, False))


@pytest.mark.parametrize("rule", RULES)
@given(ANY)
def test_the_last_word_is_a_beginning_of_the_text(rule: str, pieces: list[str]):
    text = "".join(pieces)
    cut, found = cut_by_rule(text, rule, final=True)
    assert text.startswith(cut)
    assert found or cut == text
    if found:
        assert not cut.endswith("\n")
