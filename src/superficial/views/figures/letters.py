"""Letters of every script: fonts that this machine has, for what the figures' own fonts lack.

Matplotlib's fonts come with it and hold Latin, Greek, Cyrillic and more, so that lines break at the same places
everywhere. What they lack is looked for by name among the installed fonts, and in packages that carry fonts
(`pip install "superficial[fonts]"`). Matplotlib itself joins letters and sets them from right to left.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text
from matplotlib.ticker import Formatter, FuncFormatter

PLAIN, MONO = "DejaVu Sans", "DejaVu Sans Mono"
MISSING = "□"
CARRIERS = ("fontpkg-noto", "noto-cjk-sans")  # distributions that hold fonts
# Families by preference; after them any other Noto Sans that is installed, in the order of the alphabet.
FAMILIES = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK TC", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP",
    "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "IPAexGothic",
    "PingFang SC", "Hiragino Sans", "Heiti TC", "Apple SD Gothic Neo", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic",
    "SimHei", "Noto Sans Arabic", "Geeza Pro", "Noto Naskh Arabic", "Noto Sans Devanagari", "Devanagari MT",
    "Nirmala UI", "Noto Emoji", "Symbola", "Segoe UI Emoji", "Arial Unicode MS", "Unifont",
)  # fmt: skip
REMEDY = 'pip install "superficial[fonts]", or install fonts-noto-cjk'


def dress(figure: Figure) -> list[str]:
    """Give every text of `figure` the fonts that its letters need; returns the scripts that no font has.

    A letter without a font becomes a box.
    """
    lost: set[str] = set()
    for axes in figure.get_axes():
        for axis in (axes.xaxis, axes.yaxis):
            labels = "".join(label.get_text() for label in axis.get_majorticklabels())
            if _boxed(labels, PLAIN) != labels:
                lost |= {script(char) for char in labels if not _anywhere(char, PLAIN)}
                axis.set_major_formatter(_Boxed(axis.get_major_formatter()))
    for text in figure.findobj(Text):
        shown = text.get_text()
        own = text.get_fontfamily()
        if all(has(char, own[0]) for char in shown):
            continue
        lost |= {script(char) for char in shown if not _anywhere(char, own[0])}
        text.set_text(_boxed(shown, own[0]))
        text.set_fontfamily([*own, *families(shown, own[0])])
    return sorted(lost)


def boxes(lost: Iterable[str]) -> str:
    """What boxes in a figure stand for."""
    return f"{MISSING}: no font here for {', '.join(lost)}. {REMEDY}."


def families(text: Iterable[str], own: str = PLAIN) -> list[str]:
    """Further families that `text` needs beside `own`, in the order of FAMILIES."""
    needed = {found for char in text if not has(char, own) and (found := _elsewhere(char)) is not None}
    return [family for family in _installed() if family in needed]


def known(char: str) -> bool:
    """Whether some font draws `char`, which is no control and no code point without a meaning."""
    return unicodedata.category(char) not in ("Cc", "Cs", "Co", "Cn") and _anywhere(char, PLAIN)


@cache
def advance(char: str, own: str = PLAIN) -> float:
    """Width of `char` in em, by `own` or the font that stands in for it; that of a box where none does."""
    char = char if _anywhere(char, own) else MISSING
    font = _font(own if has(char, own) else _elsewhere(char) or own)
    font.set_size(100, 72)
    return float(font.load_char(ord(char)).linearHoriAdvance) / 65536 / 100


@cache
def has(char: str, family: str) -> bool:
    """Whether a family has a glyph for `char`; a line break needs none."""
    return char == "\n" or _font(family).get_char_index(ord(char)) != 0


@cache
def script(char: str) -> str:
    """What Unicode calls the writing of `char`, in a word.

    >>> script("如"), script("か"), script("ع"), script("😀")
    ('Han', 'Hiragana', 'Arabic', 'emoji')
    """
    name = unicodedata.name(char, "")
    if unicodedata.category(char) == "So":
        return "emoji"
    return "Han" if name.startswith("CJK") else (name.split(" ")[0].split("-")[0].capitalize() or "an unknown script")


class _Boxed(FuncFormatter):
    """Tick labels with boxes: they are written again whenever they are drawn."""

    def __init__(self, labels: Formatter) -> None:
        super().__init__(lambda value, place: _boxed(labels(value, place), PLAIN))


def _boxed(text: str, own: str) -> str:
    return "".join(char if _anywhere(char, own) else MISSING for char in text)


def _anywhere(char: str, own: str) -> bool:
    return has(char, own) or _elsewhere(char) is not None


@cache
def _elsewhere(char: str) -> str | None:
    return next((family for family in _installed() if has(char, family)), None)


@cache
def _installed() -> Sequence[str]:
    """Families to look in, by preference."""
    for file in _carried():
        fontManager.addfont(str(file))
    here = {entry.name for entry in fontManager.ttflist if Path(entry.fname).is_file()}
    others = sorted(name for name in here if name.startswith("Noto Sans ") and name not in FAMILIES)
    return [*(name for name in FAMILIES if name in here), *others]


def _carried() -> list[Path]:
    """Fonts inside of installed packages."""
    found = []
    for package in distributions():
        if (package.metadata["Name"] or "").lower().replace("_", "-").startswith(CARRIERS):
            files = (Path(str(package.locate_file(file))) for file in package.files or ())
            found += [file for file in files if file.suffix in (".ttf", ".otf", ".ttc") and file.is_file()]
    return sorted(found)


@cache
def _font(family: str) -> FT2Font:
    return get_font(fontManager.findfont(FontProperties(family=[family])))
