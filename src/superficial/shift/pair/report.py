"""The report of the pair stage as types: what both vocabularies hold, and which ids stand for the same token."""

from typing import Literal

from superficial.config.schema import Strict


class NamedToken(Strict):
    """A token id and its text as the vocabulary writes it."""

    id: int
    text: str


class RenumberedToken(Strict):
    """A token that both sides have under different ids; by role: the end of turn, which the base writes differently."""

    text: str
    base: int
    aligned: int
    by: Literal["text", "role"]


class VocabularyReport(Strict):
    """One model's vocabulary."""

    model: str
    head_rows: int
    tokens: int  # that the tokenizer names and the head scores
    padding_rows: int  # rows of the head that no token has
    beyond_head: int  # tokens of the tokenizer that the head does not score: the model can neither read nor write them
    bos: NamedToken | None
    writes_bos: bool  # before plain text
    ends: list[NamedToken]  # that end a response, from generation_config.json
    template_end: NamedToken | None  # what the chat template writes after an answer
    end_of_turn: NamedToken | None  # the one of `ends` with that role
    only: list[NamedToken]  # named tokens that take no part in the comparison: the other side has no such token
    excluded: list[tuple[int, int]]  # all ids that take no part, padding rows included: first and last of each run


class PairReport(Strict):
    """Both vocabularies. `exact`: nothing differs, the comparison runs over all rows of both heads.

    `restricted`: it runs over the tokens that both have. Each side's distribution is renormalised over them, and what
    it gives to other ids is kept as `base_excluded` and `aligned_excluded`.
    """

    verdict: Literal["exact", "restricted"]
    shared: int  # ids that are compared
    moved: list[RenumberedToken]
    end_of_turn: Literal["same id", "text", "role", "none"]  # how the aligned model's end of turn is found in the base
    text_start_differs: bool  # a space before the first word of a text: part of the context, as BOS is
    base: VocabularyReport
    aligned: VocabularyReport
