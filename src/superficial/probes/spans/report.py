"""What the stage byte_pair reports: how both tokenizers spell, and what they share."""

from typing import Literal

from superficial.config.schema import Strict
from superficial.shift.pair.report import NamedToken


class MatchedEnd(Strict):
    """A token that ends the aligned model's response, and the one that the base has for it."""

    aligned: NamedToken
    base: NamedToken
    by: Literal["text", "role"]  # role: the base has no such token, and its own end of turn stands for it


class SpellingReport(Strict):
    """One model's tokenizer."""

    model: str
    spelling: Literal["byte level", "pieces"]
    tokens: int  # that are text
    special: int  # that are none


class ByteReport(Strict):
    """A pair that is compared by spans of bytes."""

    shared: int  # tokens that both have: of the same bytes, or special ones of the same name
    ends: list[MatchedEnd]  # an end that is not among them is left out
    base: SpellingReport
    aligned: SpellingReport
