"""Token distribution shift: scoring, comparing, statistics."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from superficial.config.schema.base import Name, Strict
from superficial.config.schema.method import AnsweredByStarted, DecodingConfig, PromptConfig, ThinkingConfig


def _rising(numbers: list[int]) -> list[int]:
    if numbers != sorted(set(numbers)):
        raise ValueError("numbers must rise, each once")
    return numbers


# Who continues; results that a model made in the workflow's own process stay as good as they are.
CONTINUED_BY: Any = Field(default=None, description="null: the model, here", exclude_if=lambda server: server is None)
Prefixes = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), AfterValidator(_rising)]


class ScoreStage(Strict):
    """What the score stage reads: the context under which the model sees the responses."""

    context: PromptConfig


class RescoreStage(Strict):
    """What the rescore stage reads: the one thing that differs for the base, and the context in which it does."""

    change: Literal["two_bos", "aligned_context"]
    context: PromptConfig | None = Field(description="null: the ids that the aligned model was asked with")


class CompareConfig(Strict):
    """The token table."""

    top_k: int = Field(ge=1, le=100, description="candidates kept for each side of every position")
    least_first_choices: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="share of response tokens that must be the aligned model's own first choice; null: by the dtype",
    )


class HandoffConfig(Strict):
    """How far the base model follows the aligned response when it is handed the first tokens of it."""

    prefixes: Prefixes = Field(description="response tokens handed over, rising")
    max_new_tokens: int = Field(ge=1, description="tokens that the base decodes after them: the window of comparison")
    examples: int | None = Field(ge=1, description="this many regular instructions, the first ones; null: all of them")


class HandoffStage(HandoffConfig):
    """What the handoff stage reads: its bounds, and the base's context."""

    context: PromptConfig
    server: AnsweredByStarted | None = CONTINUED_BY


class PrefillConfig(Strict):
    """How a model goes on when the first tokens of its response are given (figures/safety_depth)."""

    openings: dict[Name, str] = Field(min_length=1, description="how a response to any harmful instruction may begin")
    prefixes: Prefixes = Field(description="tokens of an opening that are given, rising")
    max_new_tokens: int = Field(ge=1, description="tokens decoded after them: enough to tell a refusal")

    @model_validator(mode="after")
    def _openings_are_long_enough(self) -> "PrefillConfig":
        # Each word is a token or more, so that this holds before any tokenizer is at hand.
        for name, text in self.openings.items():
            if len(text.split()) < max(self.prefixes[-1], 1):
                raise ValueError(f"opening {name} needs as many words as the largest prefix, {self.prefixes[-1]}")
        return self


class PrefillStage(PrefillConfig):
    """What the prefill stage reads: its bounds, and the method by which the model is asked, without its title."""

    prompt: PromptConfig
    decoding: DecodingConfig
    server: AnsweredByStarted | None = CONTINUED_BY


class CausalConfig(Strict):
    """Decoding with tokens of the other model (figures/causal_swap)."""

    variants: list[Literal["shifted", "shifted_or_marginal", "random", "first", "all", "reverse"]] = Field(
        description="where the base takes the aligned model's token (random: as many positions as shifted, anywhere);"
        " reverse: the aligned model takes the base's where shifted"
    )
    first: list[Annotated[int, Field(ge=1)]] = Field(description="positions taken by variant `first`, one each number")
    max_new_tokens: int = Field(ge=1, description="tokens decoded: the window of comparison")
    examples: int | None = Field(ge=1, description="instructions, in the shares of regular and safety; null: all")
    seed: int = Field(description="of the draw of instructions, and of random positions")

    @property
    def count(self) -> int:
        """Responses to each instruction, the base's own among them."""
        return 1 + sum(len(self.first) if one == "first" else 1 for one in self.variants)


class CausalStage(CausalConfig):
    """What the causal stage reads: its bounds, the base's context, and markers that the response's method names."""

    context: PromptConfig
    thinking: ThinkingConfig | None = Field(default=None, exclude_if=lambda named: named is None)


class IntervalsConfig(Strict):
    """Intervals."""

    resamples: int = Field(ge=100, description="bootstrap resamples, drawn over examples")
    confidence: float = Field(gt=0.5, lt=1.0, description="of every interval")
    seed: int


class StatsConfig(IntervalsConfig):
    """Intervals and lists."""

    @property
    def intervals(self) -> dict[str, Any]:
        """What stages without lists read: the keys of IntervalsConfig."""
        return {name: getattr(self, name) for name in IntervalsConfig.model_fields}

    top_tokens: int = Field(ge=1, description="length of each list of tokens")
    min_occurrences: int = Field(ge=1, description="tokens listed by rate occur at least so often")
