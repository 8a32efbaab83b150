"""An answer in lines of a given width, and below each line what the base would have said at the shifted tokens."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from superficial.artifacts.markup import MARKS, readable

BREAK = MARKS["\n"]
BLANK = "␣"  # a space where nothing else is
AROUND = {"marginal": ("‹", "›"), "shifted": ("«", "»")}  # for readers without colour


@dataclass(frozen=True)
class ShownToken:
    """One token of the answer as the token table has it."""

    text: str
    category: str
    base_says: str = ""  # the base's first candidate; shown below a shifted token


@dataclass
class GlossedLine:
    """A line of the answer, in pieces with their categories ("" for space between), and the line below it."""

    pieces: list[tuple[str, str]] = field(default_factory=list)
    below: str = ""
    width: int = 0  # columns of the pieces

    @property
    def text(self) -> str:
        """The line of the answer."""
        return "".join(piece for piece, _ in self.pieces)

    def with_tokens(self, tokens: Iterable[ShownToken], *, marked: bool) -> "GlossedLine":
        """The line with more tokens at its end; a candidate never touches the one before it."""
        found = GlossedLine(list(self.pieces), self.below, self.width)
        for token in tokens:
            found._add(token, marked)
        return found

    @property
    def columns(self) -> int:
        """Of both lines."""
        return max(self.width, cell_len(self.below))

    def _add(self, token: ShownToken, marked: bool) -> None:
        body = token.text.lstrip(" ")
        lead = len(token.text) - len(body) if self.pieces else 0
        left, right = AROUND.get(token.category, ("", "")) if marked else ("", "")
        start = self.width + lead
        if token.category == "shifted":
            if self.below:
                start = max(start, cell_len(self.below) + 1)
            self.below += " " * (start - cell_len(self.below)) + (token.base_says.strip(" ") or BLANK)
        if start > self.width:
            self.pieces.append((" " * (start - self.width), ""))
        shown = f"{left}{body}{right}"
        self.pieces.append((shown, token.category))
        self.width = start + cell_len(shown)


def glossed(tokens: Iterable[ShownToken], width: int, *, marked: bool) -> list[GlossedLine]:
    """The lines; words stay whole unless they are longer than a line. `marked` puts signs around what is not unshifted.

    A line ends after a token that ends one in the answer; such tokens are shown as ⏎. Control characters are spelled
    out.
    """
    lines, line = [], GlossedLine()
    for word in _words(_clean(token) for token in tokens):
        whole = line.with_tokens(word, marked=marked)
        if whole.columns <= width:
            line = whole
        else:
            if line.pieces:
                lines.append(line)
            line = GlossedLine()
            for token in word:
                longer = line.with_tokens([token], marked=marked)
                if longer.columns > width and line.pieces:
                    lines.append(line)
                    longer = GlossedLine().with_tokens([token], marked=marked)
                line = longer
        if word[-1].text.endswith(BREAK):
            lines.append(line)
            line = GlossedLine()
    return [*lines, line] if line.pieces else lines


def _clean(token: ShownToken) -> ShownToken:
    """A terminal obeys control characters, and texts of a model may hold any. Spaces alone would not be seen."""
    text = token.text if token.text.strip(" ") or token.category == "unshifted" else BLANK * len(token.text)
    return ShownToken(readable(text), token.category, readable(token.base_says))


def _words(tokens: Iterable[ShownToken]) -> Iterator[Sequence[ShownToken]]:
    """Tokens that belong together: a word begins with a space, or after the end of a line."""
    word: list[ShownToken] = []
    for token in tokens:
        if word and (token.text.startswith(" ") or word[-1].text.endswith(BREAK)):
            yield word
            word = []
        word.append(token)
    if word:
        yield word
