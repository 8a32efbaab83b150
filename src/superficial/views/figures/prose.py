"""Running text in figures: whatever a model wrote, in lines of a given width."""

import re
import unicodedata

from superficial.views.figures.letters import MISSING, PLAIN, advance, known

FAMILY = PLAIN


def drawable(text: str) -> str:
    """`text` with a box for each character that no font has or that controls something, but for line breaks.

    >>> drawable("a\\tb\\x07c\\r\\nd")
    'a b□c\\nd'
    """
    text = re.sub(r"\r\n?|[\u2028\u2029\v\f\x85]", "\n", text).replace("\t", " ")
    # Marks that steer direction or joining are left out: they are nothing to look at.
    return "".join(
        char if char == "\n" or known(char) else MISSING for char in text if unicodedata.category(char) != "Cf"
    )


def lines(text: str, width: float, size: float) -> list[str]:
    """Set drawable text in lines of at most `width` inches at `size` points; a longer word is broken anywhere.

    Indents stay; runs of blank lines become one.
    """
    room = width * 72 / size  # em
    found: list[str] = []
    for paragraph in re.sub(r"\n\s*\n", "\n\n", text.strip("\n")).split("\n"):
        line = ""
        for piece in re.findall(r"\s*\S+", paragraph):
            if line and _length(line + piece) > room:
                found.append(line)
                line, piece = "", piece.lstrip()
            line += piece
            while _length(line) > room:
                cut = max(1, _fitting(line, room))
                found.append(line[:cut])
                line = line[cut:]
        found.append(line)
    return found


def _fitting(word: str, room: float) -> int:
    total, count = 0.0, 0
    for char in word:
        total += advance(char)
        if total > room:
            break
        count += 1
    return count


def _length(text: str) -> float:
    return sum(map(advance, text))
