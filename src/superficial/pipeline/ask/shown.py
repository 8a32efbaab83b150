"""The answer to a question as the terminal shows it: in colour, or with signs where there is none."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from superficial.artifacts.markup import visible
from superficial.pipeline.ask.gloss import AROUND, ShownToken, glossed

# The colours of the figures, behind the letters: they are read on a dark terminal and on a light one.
STYLES = {"": "", "unshifted": "", "marginal": "black on #E69F00", "shifted": "bold white on #A50F4C"}
BELOW = "italic"
SIDE_BY_SIDE = 100  # columns that two texts beside each other need


@dataclass(frozen=True)
class Shares:
    """Three numbers about an answer."""

    unshifted: float  # share of tokens, 0 to 1
    shifted: float
    mean_kl: float  # KL(aligned || base), nats a token


@dataclass(frozen=True)
class Answer:
    """One question with all that is shown of it. Texts come from models and users: they are shown, never obeyed."""

    question: str
    base: str  # titles of the models
    aligned: str
    tokens: Sequence[ShownToken]
    shares: Shares
    cut: bool = False  # the answer reached the limit of tokens
    compared: tuple[str, str] | None = None  # title of a method, and the base's own answer under it


def show(answer: Answer, console: Console) -> None:
    """Print it."""
    marked = console.color_system is None or console.no_color
    width = console.width
    both = answer.compared is not None and width >= SIDE_BY_SIDE
    inner = (width - 4) // 2 if both else width
    parts: list[RenderableType] = [Text(visible(answer.question), "bold"), Text(), _legend(answer, marked)]
    own = Group(_heading(answer.aligned), _answer(answer, inner, marked))
    if answer.compared is None:
        parts.append(own)
    else:
        method, text = answer.compared
        other = Group(_heading(f"{answer.base}, {method}"), Text(visible(text).strip("\n")))
        parts.append(_beside(own, other, inner) if both else Group(own, Text(), other))
    if answer.cut:
        parts.append(Text("The answer was cut: generate.max_new_tokens sets how long one may be.", "dim"))
    parts += [Text(), _numbers(answer.shares)]
    console.print(Group(*parts))


def _beside(one: RenderableType, other: RenderableType, width: int) -> RenderableType:
    grid = Table.grid(padding=(0, 4, 0, 0))
    grid.add_column(width=width, no_wrap=True)
    grid.add_column(width=width)
    grid.add_row(one, other)
    return grid


def _heading(title: str) -> Text:
    return Text(visible(title), "underline")


def _legend(answer: Answer, marked: bool) -> Text:
    """What colours or signs mean."""
    found = Text()
    for name in ("marginal", "shifted"):
        left, right = AROUND[name] if marked else ("", "")
        found.append(f"{left}{name}{right}", STYLES[name]).append("  ")
    return found.append(f"by {visible(answer.base)}; below: what it would have said", "dim")


def _answer(answer: Answer, width: int, marked: bool) -> Text:
    lines = []
    for line in glossed(answer.tokens, width, marked=marked):
        lines.append(Text.assemble(*((piece, STYLES.get(category, "")) for piece, category in line.pieces)))
        if line.below:
            lines.append(Text(line.below, BELOW))
    found = Text("\n").join(lines)
    found.no_wrap, found.overflow = True, "ignore"
    return found


def _numbers(shares: Shares) -> Text:
    rows = {
        "unshifted": f"{100 * shares.unshifted:5.1f}  % of the tokens",
        "shifted": f"{100 * shares.shifted:5.1f}  % of the tokens",
        "mean KL": f"{shares.mean_kl:5.2f}  nats",
    }
    return Text("\n".join(f"{name:<9}  {said}" for name, said in rows.items()))
