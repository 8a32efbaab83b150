"""Which markers a model has, and where the thinking of a response ends."""

import pytest
from support.thinking import thinking_tokenizer
from support.tiny import CHAT, make_tokenizer

from superficial.config.schema.method import ThinkingConfig
from superficial.models.thinking import ThinkingMarkers, split_published

PAIRS = [
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    ("<|channel>", "<channel|>"),
]


@pytest.mark.parametrize(("opening", "closing"), PAIRS)
def test_markers_are_found_in_the_template_and_among_the_tokens(opening: str, closing: str):
    by_template, by_token = make_tokenizer(chat=True), make_tokenizer(chat=True)
    by_template.chat_template = CHAT + "{# " + closing + " #}"
    by_token.add_tokens([opening, closing])
    wanted = ThinkingMarkers(opening, closing)
    assert ThinkingMarkers.of(by_template) == ThinkingMarkers.of(by_token) == wanted
    assert wanted.split(f"{opening}Why?{closing} So.") == (f"{opening}Why?{closing}", "So.")


def test_a_model_without_markers_has_none_and_a_method_may_name_its_own():
    tokenizer = make_tokenizer(chat=True)
    assert ThinkingMarkers.of(tokenizer) is None
    named = ThinkingConfig(opening="My thoughts:", closing="My answer:")
    assert ThinkingMarkers.of(tokenizer, named) == ThinkingMarkers("My thoughts:", "My answer:")


@pytest.mark.parametrize(
    ("text", "opened", "expected"),
    [
        ("a</think>\n\nb", True, ("a</think>", "b")),
        ("a</think>b", None, ("a</think>", "b")),
        ("a</think>b", False, (None, "a</think>b")),
        ("a", True, ("a", "")),
        ("", True, ("", "")),
        ("a", None, (None, "a")),
        (" <think>a", False, (" <think>a", "")),
        ("<think></think>b</think>c", False, ("<think></think>", "b</think>c")),
        ("say <think>a</think>", None, (None, "say <think>a</think>")),
    ],
)
def test_the_first_closing_marker_ends_what_was_opened(
    text: str, opened: bool | None, expected: tuple[str | None, str]
):
    markers = ThinkingMarkers("<think>", "</think>")
    found = markers.split(text, opened)
    assert found == expected
    assert (found[0] or "").replace("\n", "") + found[1] == text.replace("\n", "")


@pytest.mark.parametrize(
    ("before", "opened"),
    [("<|assistant|><think>\n", True), ("<|assistant|><think>\n\n</think>\n\n", False), ("<|assistant|>", None)],
)
def test_a_prompt_opens_closes_or_says_nothing(before: str, opened: bool | None):
    assert ThinkingMarkers("<think>", "</think>").opened_by(before) is opened


@pytest.mark.parametrize("own", [True, False], ids=["a token", "many tokens"])
def test_the_first_tokens_are_those_up_to_the_closing_marker(own: bool):
    """Against the plain way: the shortest beginning whose text holds the marker."""
    tokenizer = thinking_tokenizer() if own else make_tokenizer(chat=True)
    for text in ("</think>", "plants</think>", "How do I</think>\n\nHere</think> is", "x" * 40 + "</think>."):
        ids = tokenizer(text, add_special_tokens=False).input_ids
        plain = next(n for n in range(len(ids) + 1) if "</think>" in tokenizer.decode(ids[:n]))
        assert ThinkingMarkers("<think>", "</think>").tokens(list(ids), tokenizer.decode) == plain


def test_published_texts_are_split_by_the_markers_in_them_and_others_stay():
    assert split_published("[THINK]so[/THINK] Yes.") == ("[THINK]so[/THINK]", "Yes.")
    for text in ("Yes.", "Use <b>bold</b>.", "Write <think> and </think>.", "a < b / think > c", ""):
        assert split_published(text) == (None, text)
