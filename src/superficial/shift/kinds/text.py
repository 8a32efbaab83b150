"""The text of a response as the token table shows it, and the kind of each of its characters.

Rules, the first that fits decides:

1. Code, fenced by ``` or in `backticks`: digits are numbers, every word is content, the rest is punctuation.
2. List marks ("2." or "b)" at the start of a line) are punctuation; other digits, with the points, commas, colons and
   slashes between them, are numbers. Names inside HTML tags are markup, which is punctuation.
3. Expressions of the word lists, from left to right, the longest first; among equals safety, style, number, content,
   function. Words of an expression are parted by spaces or one hyphen, never by other punctuation or a line break.
   Contractions and possessives are one word ("I'm", "friend's"); one that no list holds has the kind of its stem.
4. Every other word is content: the open class. Words of other languages end here, the lists are English.
5. Emoji are style. What is left (punctuation, markdown, line breaks, symbols) is punctuation. Spaces have no kind.
"""

import re
from collections.abc import Sequence

from superficial.shift.kinds.word_lists import WordPattern, lexicon

NONE = ""  # a space: it takes the kind of its neighbours in the same token

UNIT = re.compile(
    r"(?P<markup></?[a-z][a-z0-9]*/?>)|(?P<number>[\d²³¹½¼¾⁰-₉]+(?:[.,:/]\d+)*(?:st|nd|rd|th|s\b)?)"
    r"|(?P<word>[^\W\d_][^\W_]*(?:['’][^\W\d_]+)*)"
)
CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
LIST_MARK = re.compile(r"^[ >*_#-]*(\d+|[A-Za-z])[.)](?=[\s*_])", re.MULTILINE)
EMOJI = re.compile("[\U0001f300-\U0001faff☀-➿]")
BETWEEN = re.compile(r" +|-|\.")  # the full stop only ever helps "e.g." and "i.e."
OPENING = re.compile(r"(?:\A|[\n.!?:;])[\s*_#>\"“”'‘’()•-]*\Z")
PAUSE = re.compile(r"[*_\"”]*[,.:;!?]")
LOOK_BACK = 40  # characters: more than any run of markdown before a word

SHOWN = {"⏎": "\n", "⇥": "\t", "␍": "\r"}
CONTROL = re.compile(r"<U\+[0-9A-F]{4,6}>")
BYTE = re.compile(r"<0x[0-9A-F]{2}>")


def shown_to_text(token: str) -> str:
    """The text that a token of the table stands for; control characters become spaces, single bytes a sign.

    >>> shown_to_text(" a⏎⏎")
    ' a\\n\\n'
    """
    if BYTE.fullmatch(token):
        return "\ufffd"
    return "".join(SHOWN.get(char, char) for char in CONTROL.sub(" ", token))


def kinds_of_text(text: str) -> list[str]:
    """Kind of every character of `text`; NONE for spaces."""
    kinds = [NONE if char in " \t\xa0" else "style" if EMOJI.match(char) else "punctuation" for char in text]
    code = [span.span() for span in CODE.finditer(text)]
    marks = {mark.start(1) for mark in LIST_MARK.finditer(text)}
    prose: list[re.Match[str]] = []
    for unit in UNIT.finditer(text):
        if unit["markup"] or unit.start() in marks:
            continue
        if unit["number"]:
            _paint(kinds, unit, "number")
        elif any(start <= unit.start() < end for start, end in code):
            _paint(kinds, unit, "content")
        else:
            prose.append(unit)
    _paint_prose(kinds, text, prose)
    return kinds


def _paint(kinds: list[str], unit: re.Match[str], kind: str) -> None:
    kinds[unit.start() : unit.end()] = [kind] * (unit.end() - unit.start())


def _paint_prose(kinds: list[str], text: str, units: Sequence[re.Match[str]]) -> None:
    words = [unit.group().lower().replace("’", "'") for unit in units]
    at = 0
    while at < len(units):
        length, entry = _longest(text, units, words, at)
        for offset in range(length):
            marked = entry is not None and entry.marked[offset]
            _paint(
                kinds, units[at + offset], entry.kind if entry and marked else _alone(text, units, words, at + offset)
            )
        at += length


def _longest(
    text: str, units: Sequence[re.Match[str]], words: Sequence[str], at: int
) -> tuple[int, WordPattern | None]:
    """Number of words and entry of the longest expression that begins at word `at`; (1, None) when no list has it."""
    known = lexicon()
    reach = 1
    while (
        reach < known.longest
        and at + reach < len(units)
        and BETWEEN.fullmatch(text, units[at + reach - 1].end(), units[at + reach].start())
    ):
        reach += 1
    for length in range(reach, 0, -1):
        for entry in known.entries.get(tuple(words[at : at + length]), ()):
            if _fits(entry, text, units[at].start(), units[at + length - 1].end()):
                return length, entry
    return 1, None


def _fits(entry: WordPattern, text: str, start: int, end: int) -> bool:
    if entry.opens and not OPENING.search(
        text[max(0, start - LOOK_BACK) : start] if start > LOOK_BACK else text[:start]
    ):
        return False
    return not entry.pauses or PAUSE.match(text, end) is not None


def _alone(text: str, units: Sequence[re.Match[str]], words: Sequence[str], at: int) -> str:
    """Kind of a single word outside any expression: that of a list, that of its stem, else content."""
    for word in (words[at], words[at].split("'")[0]):
        for entry in lexicon().entries.get((word,), ()):
            if _fits(entry, text, units[at].start(), units[at].end()):
                return entry.kind
    return "content"
