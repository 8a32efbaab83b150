"""Running text in figures: whatever a model wrote, in lines of a given width."""

import re
import unicodedata
from functools import cache

from matplotlib.font_manager import findfont, get_font
from matplotlib.ft2font import FT2Font

FAMILY = "DejaVu Sans"  # comes with matplotlib, so that lines break at the same places everywhere
MISSING = "□"


def drawable(text: str) -> str:
    """`text` with a box for each character that the font lacks or that controls something, but for line breaks.

    >>> drawable("a\\tb\\x07c\\r\\nd")
    'a b□c\\nd'
    """
    text = re.sub(r"\r\n?|[\u2028\u2029\v\f\x85]", "\n", text).replace("\t", " ")
    # Marks that steer direction or joining are left out: they are nothing to look at.
    return "".join(
        char if char == "\n" or _known(char) else MISSING for char in text if unicodedata.category(char) != "Cf"
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
        total += _advance(char)
        if total > room:
            break
        count += 1
    return count


def _length(text: str) -> float:
    return sum(map(_advance, text))


@cache
def _font() -> FT2Font:
    return get_font(findfont(FAMILY))


@cache
def _known(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cs", "Co", "Cn") and _font().get_char_index(ord(char)) != 0


@cache
def _advance(char: str) -> float:
    """Width in em."""
    font = _font()
    font.set_size(100, 72)
    glyph = font.load_char(ord(char))
    return float(glyph.linearHoriAdvance) / 65536 / 100
