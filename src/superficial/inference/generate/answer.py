"""One answer: how it is decoded, when it has ended, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from superficial.inference.finish_reason import EOS, LENGTH, STOP
from superficial.inference.generate.stop import cut_by_rule, may_end, stop_rule

if TYPE_CHECKING:  # decoding runs without the configuration's library (bench/card.py)
    from superficial.config.schema import DecodingConfig, PromptConfig


@dataclass(frozen=True)
class GreedyDecoding:
    """What decides a greedy answer beside the model and the prompt."""

    max_new_tokens: int
    repetition_penalty: float = 1.0
    stop: str = "end_of_turn"  # what `stop.stop_rule` gives

    @classmethod
    def of(cls, prompt: PromptConfig, decoding: DecodingConfig, max_new_tokens: int) -> GreedyDecoding:
        """How a method decodes."""
        return cls(max_new_tokens, decoding.repetition_penalty, stop_rule(prompt, decoding))


@dataclass(frozen=True)
class Answer:
    """A finished answer."""

    token_ids: list[int]  # up to and including the token that decided the end
    text: str  # without the end token, cut exactly where the stop rule says
    finish_reason: str
    near_ties: int | None  # positions at which rounding may have decided; None: a server answered, nobody knows


class EndTokens(Protocol):
    """What of a model says where its answers end."""

    @property
    def tokenizer(self) -> Any:
        """Makes texts of token ids."""

    @property
    def end_ids(self) -> list[int]:
        """Token ids that end an answer."""


@dataclass
class UnfinishedAnswer:
    """An answer in the making."""

    loaded: EndTokens
    greedy: GreedyDecoding
    tokens: list[int] = field(default_factory=list)
    near_ties: int = 0

    def add(self, token: int, near_tie: bool) -> Answer | None:
        """Append a token; returns the answer if that ended it."""
        self.tokens.append(token)
        self.near_ties += near_tie
        if token in self.loaded.end_ids:
            text, _ = self._read(self.tokens[:-1], final=True)
            return Answer(self.tokens, text, EOS, self.near_ties)
        last = len(self.tokens) == self.greedy.max_new_tokens
        # Decoding and reading everything again at each token would take quadratic time for nothing.
        if last or may_end(self._decode([token]), self.greedy.stop):
            text, stopped = self._read(self.tokens, final=last)
            if stopped or last:
                return Answer(self.tokens, text, STOP if stopped else LENGTH, self.near_ties)
        return None

    def _read(self, tokens: list[int], *, final: bool) -> tuple[str, bool]:
        text = self._decode(tokens)
        return cut_by_rule(text, self.greedy.stop, final=final)

    def _decode(self, tokens: list[int]) -> str:
        return str(self.loaded.tokenizer.decode(tokens))
