"""Token ids of text of two kinds: what a template says, and what somebody wrote into it."""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from transformers import PreTrainedTokenizerBase

from superficial.prompts.layout import PromptPiece
from superficial.prompts.requirements import one_bos

MARKER = re.compile(r"<\S+>|\[\S+\]")


class Encoder:
    """A tokenizer that reads special tokens in a template's own pieces and nowhere else.

    A text that holds none of them gets the ids that `tokenizer(text)` gives, letter by letter. Where plain text spells
    one, the text is cut behind its first character and the parts are encoded each on its own, so none is found.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        template = str(tokenizer.chat_template or "")
        added = tokenizer.added_tokens_decoder.values()
        # What opens a turn is not flagged as special in every tokenizer. Runs of spaces and the like are no markers.
        markers = {token.content for token in added if MARKER.fullmatch(token.content) and token.content in template}
        self._special = markers | {token.content for token in added if token.special}
        self._special |= set(tokenizer.all_special_tokens)
        self._lengths = sorted(set(map(len, self._special)))
        self._first = {name[0] for name in self._special}
        # Some tokenizers know a BOS and do not write it in plain use; then a prompt has none either.
        self.writes_bos = bool(tokenizer.bos_token) and list(tokenizer("").input_ids[:1]) == [tokenizer.bos_token_id]

    def encode(self, pieces: Sequence[PromptPiece]) -> tuple[str, list[int]]:
        """The joined text with its BOS spelled out, and its token ids, with at most one BOS."""
        text = "".join(piece.text for piece in pieces)
        first, *others = self._parts(text, pieces)
        ids = self._ids(first)
        for part in others:
            # Behind a token that is never merged with text, so no space is put before the part.
            ids += self._ids(self._anchor + part)[1:]
        bos = self._tokenizer.bos_token or ""
        if self.writes_bos:
            ids, text = [self._tokenizer.bos_token_id, *ids], bos + text
        kept = one_bos(self._tokenizer, ids)
        return text[len(bos) * (len(ids) - len(kept)) :], kept

    def spells_special(self, text: str) -> bool:
        """Whether plain `text` names a special token anywhere."""
        return next(self._found(text), None) is not None

    def _parts(self, text: str, pieces: Sequence[PromptPiece]) -> list[str]:
        bounds: list[tuple[int, int]] = []  # of the plain pieces within the text
        start = 0
        for piece in pieces:
            bounds += [(start, start + len(piece.text))] if piece.plain else []
            start += len(piece.text)
        cuts = [
            begin + 1 for begin, end in self._found(text) if any(begin < right and left < end for left, right in bounds)
        ]
        return [text[left:right] for left, right in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        """Where each special token begins and ends that `text` names; they may overlap."""
        for begin, char in enumerate(text):
            if char in self._first:
                ends = [begin + length for length in self._lengths if text[begin : begin + length] in self._special]
                if ends:
                    yield begin, ends[-1]

    @cached_property
    def _anchor(self) -> str:
        """A special token that takes no space beside it along."""
        tokens = self._tokenizer.added_tokens_decoder.values()
        return next(str(one.content) for one in tokens if one.special and not (one.lstrip or one.rstrip))

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)
