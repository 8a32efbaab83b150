"""What the terminal gets: colour where it is wanted, signs elsewhere, and no control characters of a model."""

import io
import re

import pytest
from rich.console import Console

from superficial.pipeline.ask.gloss import ShownToken
from superficial.pipeline.ask.shown import Answer, Shares, show

TOKENS = [ShownToken("Of", "shifted", "#"), ShownToken(" course", "unshifted"), ShownToken(" now", "marginal", " Bees")]
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def shown(monkeypatch: pytest.MonkeyPatch, *, colour: bool, width: int = 80, **other: object) -> str:
    """What is printed of an answer."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=colour, width=width, color_system="truecolor" if colour else None, highlight=False
    )
    known = {"question": "Why?", "base": "B", "aligned": "A", "tokens": TOKENS, "shares": Shares(1 / 3, 1 / 3, 0.123)}
    show(Answer(**(known | other)), console)
    return file.getvalue()


def test_a_pipe_gets_signs_and_no_escapes(monkeypatch: pytest.MonkeyPatch):
    text = shown(monkeypatch, colour=False)
    assert "«Of» course ‹now›" in text
    assert "\x1b" not in text
    assert re.search(r"unshifted +33\.3 +% of the tokens\n *shifted +33\.3 .*\nmean KL +0\.12 +nats", text)


def test_a_terminal_gets_colours_and_no_signs(monkeypatch: pytest.MonkeyPatch):
    text = shown(monkeypatch, colour=True)
    assert not set("«»‹›") & set(text)
    lines = [line for line in text.splitlines() if "course" in line]
    assert len(set(ESCAPES.findall(lines[0]))) >= 3  # shifted, marginal, and back
    assert ESCAPES.sub("", lines[0]).rstrip() == "Of course now"


def test_no_color_brings_the_signs_back(monkeypatch: pytest.MonkeyPatch):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, no_color=True, width=80)
    show(Answer("Why?", "B", "A", TOKENS, Shares(1, 0, 0)), console)
    assert "«Of»" in ESCAPES.sub("", file.getvalue())
    assert "48;" not in file.getvalue()  # no colour behind anything


@pytest.mark.parametrize("width", [60, 120])
def test_the_bases_own_answer_stands_beside_or_below(monkeypatch: pytest.MonkeyPatch, width: int):
    text = shown(monkeypatch, colour=False, width=width, compared=("URIAL", "Bees fly\nhome."))
    beside = any("«Of»" in line and "Bees fly" in line for line in text.splitlines())
    assert beside == (width == 120)
    assert "B, URIAL" in text
    assert text.index("Bees fly") < text.index("home.")


def test_texts_of_users_and_models_are_shown_and_never_obeyed(monkeypatch: pytest.MonkeyPatch):
    evil = "\x1b]0;title\x07[bold]x[/bold]\x1b[2J"
    tokens = [ShownToken(evil, "shifted", evil)]
    text = shown(
        monkeypatch, colour=False, question=evil, base=evil, aligned=evil, tokens=tokens, compared=(evil, evil)
    )
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold]x[/bold]" in text


def test_an_answer_that_was_cut_says_so(monkeypatch: pytest.MonkeyPatch):
    assert "max_new_tokens" in shown(monkeypatch, colour=False, cut=True)
    assert "max_new_tokens" not in shown(monkeypatch, colour=False)
