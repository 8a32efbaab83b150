"""The layout of a completion prompt: instructions in their slots of a template, one turn after the other.

An instruction cannot end its slot. The paper's slot is a code fence, and the rule is that of Markdown: an instruction
that holds a run of three backticks or more, or that starts or ends with a backtick, stands on lines of its own between
fences that are longer than every run in it. Its own letters never change; whatever else it holds (a header of the
template, braces) is inside the fence and ends nothing. Every other instruction keeps the template as it is.
"""

import re
from dataclasses import dataclass

SLOT = "{instruction}"
SYSTEM_SLOT = "{system}"
FENCED_SLOT = re.compile(r"(?P<fence>`{3,})\n?\{instruction\}\n?(?P=fence)")


@dataclass(frozen=True)
class PromptPiece:
    """A piece of a prompt. In `plain` text (an instruction, an example) the name of a special token is only text."""

    text: str
    plain: bool = True


def turn_pieces(template: str, instruction: str) -> list[PromptPiece]:
    """`template` with `instruction` in its slot; the response follows the last piece directly.

    >>> "".join(piece.text for piece in turn_pieces("# Query:\\n```{instruction}```\\n", "Why {so}?"))
    '# Query:\\n```Why {so}?```\\n'
    >>> "".join(piece.text for piece in turn_pieces("# Query:\\n```{instruction}```\\n", "Mend ```x```"))
    '# Query:\\n````\\nMend ```x```\\n````\\n'
    """
    template = FENCED_SLOT.sub(lambda found: fenced_slot(found, instruction), template)
    before, after = template.split(SLOT)
    return [PromptPiece(before, plain=False), PromptPiece(instruction), PromptPiece(after, plain=False)]


def fenced_slot(slot: re.Match[str], instruction: str) -> str:
    """The slot as the template has it, or with fences that `instruction` cannot close."""
    runs = re.findall("`+", instruction)
    longest = max(map(len, runs), default=0)
    if longest < len(slot["fence"]) and instruction[:1] != "`" and instruction[-1:] != "`":
        return slot[0]
    fence = "`" * max(longest + 1, len(slot["fence"]))
    return f"{fence}\n{SLOT}\n{fence}"


def with_empty_line(text: str) -> str:
    """`text` as it is, and the line breaks that it lacks to end in an empty line.

    >>> with_empty_line("a\\n")
    'a\\n\\n'
    """
    missing = 2 - (len(text) - len(text.rstrip("\n")))
    return text + "\n" * max(missing, 0)
