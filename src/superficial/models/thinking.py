"""The thinking of a model: what it writes before its answer, between markers that its own files name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # published texts are read without it
    from transformers import PreTrainedTokenizerBase

    from superficial.config.schema.method import ThinkingConfig

NAMES = r"(?:\w+:)?(?:thinking|think|thought|reasoning)"
CLOSING = re.compile(rf"([<\[◁])/({NAMES})([>\]▷])", re.IGNORECASE)  # </think>, [/THINK], </seed:think>, ◁/think▷
OPENING = re.compile(rf"\s*([<\[◁])({NAMES})([>\]▷])", re.IGNORECASE)
# Markers of another form: gpt-oss, whose answer stands in a channel of its own, and Gemma 4.
OTHERS = (("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"), ("<|channel>", "<channel|>"))


@dataclass(frozen=True)
class ThinkingMarkers:
    """The texts that open and close a thinking part."""

    opening: str
    closing: str

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, named: ThinkingConfig | None = None) -> ThinkingMarkers | None:
        """Those that are `named`, else those of the model's own tokens or chat template; None for a model without."""
        if named is not None:
            return cls(named.opening, named.closing)
        names = "\n".join(str(token.content) for token in tokenizer.added_tokens_decoder.values())
        template = tokenizer.chat_template or ""
        # A tokenizer may have several templates, by name.
        return cls.named_in(names) or cls.named_in(
            template if isinstance(template, str) else "\n".join(template.values())
        )

    @classmethod
    def named_in(cls, text: str) -> ThinkingMarkers | None:
        """The first closing marker in a text, and what opens its part.

        >>> ThinkingMarkers.named_in("{{ content.split('</think>')[-1] }}")
        ThinkingMarkers(opening='<think>', closing='</think>')
        """
        for opening, closing in OTHERS:
            if closing in text:
                return cls(opening, closing)
        found = CLOSING.search(text)
        return cls(found[1] + found[2] + found[3], found[0]) if found else None

    def opened_by(self, before: str) -> bool | None:
        """Whether `before`, what a prompt writes behind the query, leaves a thinking part open; None: it names none."""
        opened, closed = before.rfind(self.opening), before.rfind(self.closing)
        return None if opened == closed else opened > closed

    def split(self, text: str, opened: bool | None = None) -> tuple[str | None, str]:
        """The thinking part of a response with its markers, None where there is none, and the answer behind it.

        It begins with the response, by its own marker or where the prompt `opened` it (None: nobody knows, and then a
        closing marker alone tells it); a marker further on is only quoted. Without closing marker there is no answer.

        >>> ThinkingMarkers("<think>", "</think>").split("<think>Tea?</think>\\n\\nYes.")
        ('<think>Tea?</think>', 'Yes.')
        >>> ThinkingMarkers("<think>", "</think>").split("Write <think> and </think>.")
        (None, 'Write <think> and </think>.')
        """
        end = text.find(self.closing)
        thinks = opened or text.lstrip().startswith(self.opening)
        if not thinks and opened is None:
            thinks = end >= 0 and self.opening not in text[:end]
        if not thinks:
            return None, text
        if end < 0:
            return text, ""
        end += len(self.closing)
        return text[:end], text[end:].lstrip()

    def tokens(self, ids: list[int], decode: Callable[[list[int]], str]) -> int:
        """How many of the first tokens hold a thinking part that ends: up to the one that ends the closing marker."""
        low, high = 0, len(ids)
        while low < high:  # the least number of tokens whose text holds the marker
            middle = (low + high) // 2
            low, high = (low, middle) if self.closing in decode(ids[:middle]) else (middle + 1, high)
        return low


def split_published(text: str) -> tuple[str | None, str]:
    """`ThinkingMarkers.split` for a response of which nothing but the text is known.

    >>> split_published("Let me see.</think>Yes."), split_published("<think>Let me"), split_published("Yes.")
    (('Let me see.</think>', 'Yes.'), ('<think>Let me', ''), (None, 'Yes.'))
    """
    markers = ThinkingMarkers.named_in(text)
    if markers is None and (found := OPENING.match(text)):
        markers = ThinkingMarkers(found[1] + found[2] + found[3], f"{found[1]}/{found[2]}{found[3]}")
    return (None, text) if markers is None else markers.split(text)
