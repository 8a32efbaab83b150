"""An answer in lines: nothing is lost, nothing is too wide, and candidates stand below their tokens."""

import pytest
from rich.cells import cell_len

from superficial.pipeline.ask.gloss import GlossedLine, ShownToken, glossed


def tokens(*shown: str) -> list[ShownToken]:
    """From texts; "a|b" is a shifted token at which the base would have said b, "a?" a marginal one."""
    found = []
    for one in shown:
        text, bar, says = one.partition("|")
        kind = "shifted" if bar else "marginal" if text.endswith("?") else "unshifted"
        found.append(ShownToken(text.removesuffix("?"), kind, says))
    return found


def below(line: GlossedLine, token: str) -> str:
    """What stands below the first column of a token, to the next space."""
    return line.below[line.text.index(token) :].split(" ")[0]


ANSWER = tokens(
    "Of|#", " course", "!", " Bees?", " are", " very", " smart| important", ".", " re", "ally| true", "⏎⏎", "So"
)


def test_a_candidate_stands_below_its_token_and_signs_tell_the_categories():
    first, second = glossed(ANSWER, 80, marked=True)
    assert first.text.startswith("«Of» course! ‹Bees› are very «smart».")
    assert [below(first, one) for one in ("«Of»", "«smart»", "«ally»")] == ["#", "important", "true"]
    assert second.text == "So"


def test_candidates_never_touch_each_other():
    line = glossed(tokens(" a| elephant", " b| lion", " c| bee"), 80, marked=False)[0]
    assert line.below.split() == ["elephant", "lion", "bee"]
    assert [below(line, one) for one in "abc"] == ["elephant", "lion", "bee"]


@pytest.mark.parametrize("width", [8, 13, 30])
@pytest.mark.parametrize("marked", [False, True])
def test_no_line_is_wider_than_asked_and_no_letter_is_lost(width: int, marked: bool):
    lines = glossed(ANSWER, width, marked=marked)
    assert max(max(cell_len(line.text), cell_len(line.below)) for line in lines) <= max(width, 9)  # "important" alone
    letters = "".join(line.text for line in lines)
    for sign in " «»‹›":
        letters = letters.replace(sign, "")
    assert letters == "Ofcourse!Beesareverysmart.really⏎⏎So"


def test_words_stay_whole_and_scripts_without_spaces_are_cut_anywhere():
    assert [line.text for line in glossed(tokens("won", "der", " won", "der"), 9, marked=False)] == ["wonder", "wonder"]
    assert [line.text for line in glossed(tokens(*"蜜蜂回家"), 5, marked=False)] == ["蜜蜂", "回家"]


@pytest.mark.parametrize("evil", ["\x1b[2J", "\x9b31m", "a\x07", "\u202eabc", "\r"])
def test_control_characters_of_a_model_are_spelled_out(evil: str):
    for line in glossed([ShownToken(evil, "shifted", evil)], 80, marked=True):
        assert all(char.isprintable() for char in line.text + line.below)


def test_a_shifted_space_is_seen():
    line = glossed([ShownToken("a", "unshifted"), ShownToken("  ", "shifted", " "), *tokens(" b")], 80, marked=True)[0]
    assert line.text == "a«␣␣» b"
    assert line.below.strip() == "␣"


def test_an_empty_answer_has_no_lines():
    assert glossed([], 80, marked=True) == []
