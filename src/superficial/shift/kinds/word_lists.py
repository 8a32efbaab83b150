"""The word lists: one text file a kind, one expression a line.

A line is a sequence of words, matched without regard to case and apostrophe shape:

- `can|could` any of these words; `gladly?` the word may be missing;
- `(to|with)` one of these words must stand there, but keeps its own kind: "talk (to)" marks "talk" only;
- `^` before the first word: only at the start of a sentence, line or list item;
- `,` after the last word: only before a comma, colon, full stop, exclamation or question mark;
- `#` begins a comment line.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
# Order decides between lists that hold the same expression; a longer expression always goes first.
LISTED = ("safety", "style", "number", "content", "function")
FILES = tuple(str(FOLDER / f"{kind}.txt") for kind in LISTED)


@dataclass(frozen=True)
class WordPattern:
    """One way to read an expression: `marked` says which of its words get the kind."""

    kind: str
    marked: tuple[bool, ...]
    opens: bool  # only at the start of a sentence
    pauses: bool  # only before punctuation


@dataclass(frozen=True)
class Lexicon:
    """Every expression of every list, spelt out as words; those of one spelling in the order of LISTED."""

    entries: Mapping[tuple[str, ...], tuple[WordPattern, ...]]
    longest: int  # words


@cache
def lexicon() -> Lexicon:
    """The lists of this package; read once a process."""
    found: dict[tuple[str, ...], list[WordPattern]] = {}
    for kind in LISTED:
        for line in (FOLDER / f"{kind}.txt").read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                for words, entry in read_line(kind, line):
                    found.setdefault(words, []).append(entry)
    return Lexicon({words: tuple(entries) for words, entries in found.items()}, max(map(len, found)))


def read_line(kind: str, line: str) -> Iterator[tuple[tuple[str, ...], WordPattern]]:
    """Every spelling of one line.

    >>> [" ".join(words) for words, _ in read_line("style", "i can|will gladly? help")]
    ['i can gladly help', 'i can help', 'i will gladly help', 'i will help']
    """
    text = line.strip()
    opens, pauses = text.startswith("^"), text.endswith(",")
    slots: list[list[tuple[str, bool] | None]] = []
    for slot in text.removeprefix("^").removesuffix(",").split():
        words, optional = slot.removesuffix("?"), slot.endswith("?")
        marked = not words.startswith("(")
        choices: list[tuple[str, bool] | None] = [(word, marked) for word in words.strip("()").split("|")]
        slots.append([*choices, None] if optional else choices)
    for choice in product(*slots):
        chosen = [part for part in choice if part is not None]
        # "e.g" is two words of the text, "e" and "g", with a full stop between them.
        words_of = [(piece, marked) for word, marked in chosen for piece in re.split(r"\.", word)]
        yield (
            tuple(word for word, _ in words_of),
            WordPattern(kind, tuple(marked for _, marked in words_of), opens, pauses),
        )
