"""Prompts of one method for one model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from superficial.artifacts.errors import UserError
from superficial.config.schema import PromptConfig
from superficial.models.load import LoadedModel
from superficial.models.thinking import ThinkingMarkers
from superficial.prompts.chat import Message, chat_pieces, render
from superficial.prompts.contents import PromptContents
from superficial.prompts.encoder import Encoder
from superficial.prompts.files import check_turns
from superficial.prompts.layout import SYSTEM_SLOT, PromptPiece, turn_pieces, with_empty_line
from superficial.prompts.pool import ShownExample
from superficial.prompts.requirements import require_chat_template, require_heard

Turn = tuple[str, str]  # a query and the answer to it
QUERY = "QUERY"  # stands for a query when a chat template is asked what it writes behind one


@dataclass(frozen=True)
class Prompt:
    """What a model reads before its response: the text with special tokens spelled out, and its token ids."""

    text: str
    ids: list[int]  # with one BOS where the tokenizer uses one; empty where no tokenizer is at hand
    neighbours: list[str]  # ids of the examples that were looked up for this instruction, as they stand in the prompt
    messages: list[Message] = field(default_factory=list)  # of a chat, for a server that has the template itself


class PromptBuilder:
    """Puts instructions where `prompt` wants them.

    Completion: system text, examples, earlier turns as further examples, then the template, which the response follows.
    Chat: the same as messages in the model's own template, the system text as the system message.
    """

    def __init__(
        self,
        prompt: PromptConfig,
        tokenizer: PreTrainedTokenizerBase | None,
        files: Sequence[Path] | Path = (),
        *,
        model: str,
    ) -> None:
        """`files` are those that `prompt_files` lists; without tokenizer there is text, but no ids and no chat."""
        self._prompt = prompt
        self._tokenizer = tokenizer
        self._sources = PromptContents(prompt, files)
        self._encoder = Encoder(tokenizer) if tokenizer is not None else None
        if prompt.kind == "chat" and tokenizer is None:
            raise UserError(
                f"the chat template of model {model} comes with its tokenizer, which is not here",
                where=f"results/models/{model}",
                remedy=f"fetch it: snakemake --cores 2 results/models/{model}/manifest.json",
            )
        if prompt.kind == "chat" and tokenizer is not None:
            require_chat_template(tokenizer, model)
            require_heard(tokenizer, prompt.chat_template_kwargs)

    @classmethod
    def of(cls, loaded: LoadedModel, prompt: PromptConfig, files: Sequence[Path] | Path) -> "PromptBuilder":
        """Prompts for a model that is loaded."""
        return cls(prompt, loaded.tokenizer, files, model=loaded.manifest["name"])

    @property
    def files(self) -> dict[str, Path]:
        """The files that were read, by what they hold: for the sidecar of what is made from the prompts."""
        return {f"prompt_{part}": path for part, path in self._sources.paths.items()}

    @property
    def chat(self) -> bool:
        """Whether the model's own template makes the prompts."""
        return self._prompt.kind == "chat"

    @property
    def thinking(self) -> ThinkingMarkers | None:
        """What stands around the model's thinking, as the method names it or the model's files do; None: nothing."""
        return None if self._tokenizer is None else ThinkingMarkers.of(self._tokenizer, self._prompt.thinking)

    @property
    def opening(self) -> str:
        """What stands between a query and the response."""
        if not self.chat:
            return (self._prompt.template or "").partition("{instruction}")[2]
        assert self._tokenizer is not None
        messages = self._messages(self._sources.examples, QUERY)
        text = render(self._tokenizer, messages, self._prompt.date, self._prompt.chat_template_kwargs)
        return text.rpartition(QUERY)[2]

    def build(self, instruction: str, *, example: str = "", history: Sequence[Turn] = ()) -> Prompt:
        """The prompt for `instruction`; `example` is its id, `history` are the earlier turns of the conversation."""
        if not instruction.strip():
            where = f"instruction {example}".strip()
            raise UserError("the instruction is empty", where=where, remedy="write one, or take the line out")
        found = self._sources.neighbours(example)
        if history:
            check_turns(self._prompt)
        shown = [*self._sources.examples, *found, *(ShownExample("", query, answer) for query, answer in history)]
        names, messages = [one.id for one in found], self._messages(shown, instruction)
        pieces = self._chat(messages) if messages else self._completion(shown, instruction)
        if self._encoder is None:
            return Prompt("".join(piece.text for piece in pieces), [], names)
        return Prompt(*self._encoder.encode(pieces), names, messages)

    def _completion(self, shown: Sequence[ShownExample], instruction: str) -> list[PromptPiece]:
        assert self._prompt.template is not None
        template, closing = self._prompt.template, PromptPiece(self._prompt.closing, plain=False)
        pieces = [PromptPiece(with_empty_line(self._sources.text))] if self._sources.text else []
        before, slot, after = template.partition(SYSTEM_SLOT)
        if slot:
            template, pieces = after, [PromptPiece(before, plain=False), PromptPiece(self._sources.text.strip())]
        for one in shown:
            pieces += [*turn_pieces(template, one.instruction), PromptPiece(one.response), closing]
        return pieces + turn_pieces(template, instruction)

    def _messages(self, shown: Sequence[ShownExample], instruction: str) -> list[Message]:
        """Those of a chat; none for a text to complete."""
        if not self.chat:
            return []
        messages: list[Message] = []
        if self._sources.text:
            messages.append({"role": "system", "content": self._sources.text.strip()})
        for one in shown:
            messages.append({"role": "user", "content": one.instruction})
            messages.append({"role": "assistant", "content": one.response})
        return [*messages, {"role": "user", "content": instruction}]

    def _chat(self, messages: Sequence[Message]) -> list[PromptPiece]:
        assert self._encoder is not None
        assert self._tokenizer is not None
        told = self._prompt.chat_template_kwargs
        return chat_pieces(self._encoder, self._tokenizer, messages, self._prompt.date, told)
