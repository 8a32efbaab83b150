"""Words in any script."""

import pytest

from superficial.data.words import count_words


@pytest.mark.parametrize(
    "text", ["", "  ", "How do I keep a plant alive?", "It's 3.5 % - *well* done…", "Почему осенью?", "كيف أعتني بنبات"]
)
def test_where_spaces_part_words_they_are_counted_as_ever(text: str):
    assert count_words(text) == len(text.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("如何让香蕉保持新鲜？", 9),
        ("当然！\n1. 放在阴凉处。", 2 + 1 + 5),
        ("用Python写 code。", 4),
        ("コーヒーです。", 6),
        ("日本の首都", 5),
        ("น้ำ", 2),
    ],
)
def test_in_scripts_without_spaces_each_letter_counts(text: str, words: int):
    assert count_words(text) == words
