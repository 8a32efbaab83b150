"""Methods: how a model sees an instruction, and how it answers (paper, section 3)."""

import datetime
from typing import Literal

from pydantic import Field, model_validator

from superficial.config.schema.base import Name, Strict
from superficial.config.schema.server import ModuleEngine

# What apply_chat_template is told by the pipeline itself.
TAKEN = {"messages", "conversation", "chat_template", "add_generation_prompt", "continue_final_message", "tokenize"}


class ExamplesConfig(Strict):
    """In-context examples that are the same for every instruction."""

    file: str = Field(description="JSONL with id, instruction, restyled and plain")
    ids: list[str] = Field(min_length=1, description="which examples, in this order")
    style: Literal["restyled", "plain"] = Field(description="which of the two responses is shown")


class NeighboursConfig(Strict):
    """In-context examples that are looked up for each instruction: the nearest of a corpus."""

    index: Name = Field(description="a file of config/index/")
    k: int = Field(ge=1, description="examples")


class ThinkingConfig(Strict):
    """What opens and what closes the thinking part of a response."""

    opening: str = Field(min_length=1)
    closing: str = Field(min_length=1)


class PromptConfig(Strict):
    """What a model reads before its response."""

    kind: Literal["chat", "completion"] = Field(description="the model's own chat template, or text to complete")
    template: str | None = Field(
        default=None,
        description="completion only: text with {instruction} in it; {system}: where the system text goes, else first",
    )
    closing: str = Field(
        default="", description="completion only: text after the response of an example or an earlier turn"
    )
    system: str | None = Field(default=None, description="text file that comes first, or is the chat's system message")
    examples: ExamplesConfig | None = None
    neighbours: NeighboursConfig | None = None
    published: str | None = Field(
        default=None, description="file of the paper's own prompt, which prompt_source=published uses instead"
    )

    date: datetime.date | None = Field(
        default=None, description="chat only: the day that a template is told which asks; null: generate.date"
    )
    chat_template_kwargs: dict[str, bool | int | float | str] = Field(
        default={},
        description="chat only: what else the model's template is told, such as enable_thinking: false",
        exclude_if=lambda told: not told,  # results from before this key was known stay as good as they are
    )
    thinking: ThinkingConfig | None = Field(
        default=None,
        description="for models whose markers stand neither among their tokens nor in their chat template",
        exclude_if=lambda named: named is None,  # as above
    )

    @model_validator(mode="after")
    def _parts_fit_kind(self) -> "PromptConfig":
        if self.kind == "completion" and self.date is not None:
            raise ValueError("date belongs to kind=chat, and to no other")
        if self.kind == "completion" and self.chat_template_kwargs:
            raise ValueError("chat_template_kwargs belong to kind=chat, and to no other")
        if taken := sorted(TAKEN & self.chat_template_kwargs.keys()):
            raise ValueError(f"chat_template_kwargs may not hold {taken[0]}: the pipeline decides it")
        if (self.kind == "completion") != (self.template is not None):
            raise ValueError("template belongs to kind=completion, and to no other")
        if self.template is not None and self.template.count("{instruction}") != 1:
            raise ValueError("template must hold {instruction} exactly once")
        if self.template is not None and "{system}" in self.template:
            if self.template.count("{system}") > 1 or self.template.index("{system}") > self.template.index("{instr"):
                raise ValueError("template must hold {system} once, before {instruction}")
            if self.examples is not None or self.neighbours is not None:
                raise ValueError("a template with {system} is one turn: it has no room for examples or neighbours")
        if (self.examples or self.neighbours) and self.template is not None and not separates(self):
            raise ValueError("closing must say what ends the response of an example, or the next query is glued to it")
        if self.examples is not None and self.neighbours is not None:
            raise ValueError("examples are fixed or neighbours, not both")
        return self


def separates(prompt: PromptConfig) -> bool:
    """Whether something stands between a response that is shown and the next query."""
    return bool(prompt.closing or (prompt.template or "")[:1].isspace())


class DecodingConfig(Strict):
    """What decides a greedy answer beside the prompt and the length."""

    repetition_penalty: float = Field(default=1.0, ge=1.0, description="as in transformers, over prompt and answer")
    stop: Literal["end_of_turn", "fence"] = Field(
        default="end_of_turn",
        description="fence: also at the fence that closes the answer, or at the next query; where the template opens "
        "no fence, at a line that begins as its queries do",
    )


class MethodConfig(Strict):
    """A way to get an answer from a model: a prompt and decoding arguments."""

    name: Name
    title: str = Field(description="as figures print it")
    prompt: PromptConfig
    decoding: DecodingConfig = DecodingConfig()


class GenerateConfig(Strict):
    """Greedy decoding."""

    max_new_tokens: int = Field(ge=1, description="tokens; a response that reaches it has finish_reason length")
    date: datetime.date = Field(description="the day that chat templates are told which ask for it")


class AnsweredBy(Strict):
    """What of a server decides its answers; where it stands and how fast it is asked does not."""

    model: str
    revision: str
    penalty_field: str


class AnsweredByStarted(Strict):
    """What of a server that the job starts decides its answers; the version of the engine keys them in the ledger."""

    command: str
    cpu_arguments: str
    penalty_field: str


class GenerateStage(Strict):
    """What the generate stage reads: the method, without its title, and who answers."""

    max_new_tokens: int = Field(ge=1)
    prompt: PromptConfig
    decoding: DecodingConfig
    server: AnsweredBy | AnsweredByStarted | ModuleEngine | None = Field(
        default=None, description="null: the model answers in the workflow's own process"
    )


class TogetherStage(Strict):
    """What the generate_together stage reads: what the generate stage reads of every method of one model."""

    methods: dict[Name, GenerateStage] = Field(min_length=1)


class PublishedPromptStage(Strict):
    """What the published_prompt stage reads; where the file comes from decides nothing, because its hash is checked."""

    file: str = Field(description="of urial_prompts/ in the paper's repository")
