"""What a prompt consists of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PromptPiece:
    """A piece of a prompt. In `plain` text (an instruction, an example) the name of a special token is only text."""

    text: str
    plain: bool = True
