"""Engines: who answers prompts, the model in this process or a server that has it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from transformers import PreTrainedTokenizerBase

from superficial.artifacts.shard import Shard
from superficial.config.schema.server import ServerEngine
from superficial.inference.finish_reason import EOS
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.requests import (
    GenerationRequest,
    answer_requests,
    generation_request,
    open_store,
    shard_requests,
)
from superficial.inference.server.answers import answer_prompts as ask_server
from superficial.inference.server.ledger import open_ledger
from superficial.models.load import LoadedModel, load_end_ids, load_tokenizer
from superficial.prompts.builder import Prompt
from superficial.prompts.chat import Message
from superficial.prompts.requirements import check_length


class Engine(Protocol):
    """Answers prompts by greedy decoding."""

    tokenizer: PreTrainedTokenizerBase

    def answer(self, prompts: Mapping[str, Prompt]) -> dict[str, Answer]:
        """The answer to each prompt, by instruction id; what was answered before is not answered again."""

    def share(self, prompts: Mapping[str, Prompt], shard: Shard) -> None:
        """Answer this shard of the prompts, and keep the answers for `answer`, which then has less to do."""

    def facts(self) -> dict[str, Any]:
        """Counts and rates for the sidecar."""


class LocalEngine:
    """The model in this process."""

    def __init__(self, loaded: LoadedModel, greedy: GreedyDecoding, batch: int, results: Path) -> None:
        self.tokenizer = loaded.tokenizer
        self._loaded, self._greedy, self._batch = loaded, greedy, batch
        self._store = open_store(loaded, greedy, results)
        self._rounds: list[dict[str, Any]] = []

    def answer(self, prompts: Mapping[str, Prompt]) -> dict[str, Answer]:
        """Every prompt is checked against the model's length before anything is decoded."""
        found = answer_requests(self._loaded, self._greedy, self._requests(prompts), self._batch, self._store)
        self._rounds.append(found.facts)
        return dict(zip(prompts, found.answers, strict=True))

    def share(self, prompts: Mapping[str, Prompt], shard: Shard) -> None:
        """Whole batches of those that `answer` would decode."""
        requests = self._requests(prompts)
        part = shard_requests(requests, self._batch, shard)
        answer_requests(self._loaded, self._greedy, part, self._batch, self._store, among=requests)

    def _requests(self, prompts: Mapping[str, Prompt]) -> list[GenerationRequest]:
        for example, prompt in prompts.items():
            tokens = len(prompt.ids) + self._greedy.max_new_tokens
            check_length(self._loaded, tokens, example=example, what="prompt and response")
        return [
            generation_request(self._loaded, self._greedy, example, prompt.ids) for example, prompt in prompts.items()
        ]

    def facts(self) -> dict[str, Any]:
        """Those of the first turn; further turns of dialogues stand beside them."""
        return self._rounds[0] | ({"further_turns": self._rounds[1:]} if self._rounds[1:] else {})


class RemoteEngine:
    """A server that speaks OpenAI's protocol; `tokenizer` is the model's own, for prompts and token ids."""

    def __init__(self, server: ServerEngine, model: Path, greedy: GreedyDecoding, results: Path) -> None:
        self.tokenizer = load_tokenizer(model)
        self._ends = load_end_ids(model, self.tokenizer)
        self._server, self._greedy = server, greedy
        self._ledger = open_ledger(server, results)
        self._asked = 0

    def answer(self, prompts: Mapping[str, Prompt]) -> dict[str, Answer]:
        """Token ids are the tokenizer's own for the answer's text; a server does not tell which it decoded."""
        texts = {example: self._prompt(prompt) for example, prompt in prompts.items()}
        self._asked += len(texts)
        found = ask_server(texts, self._greedy, self._server, self._ledger)
        answers = {}
        for example, one in found.items():
            ids: list[int] = self.tokenizer(one.text, add_special_tokens=False).input_ids
            end = [self._end(prompts[example].messages)] if one.finish_reason == EOS else []
            answers[example] = Answer([*ids, *end], one.text, one.finish_reason, None)
        return answers

    def share(self, prompts: Mapping[str, Prompt], shard: Shard) -> None:
        """The ledger keeps the answers."""
        texts = {example: self._prompt(prompts[example]) for example in shard.of(list(prompts))}
        ask_server(texts, self._greedy, self._server, self._ledger)

    def _prompt(self, prompt: Prompt) -> str | Sequence[Mapping[str, str]]:
        bos = str(self.tokenizer.bos_token or "")
        return prompt.messages or prompt.text.removeprefix(bos)  # the server's tokenizer writes the BOS

    def _end(self, messages: Sequence[Message]) -> int:
        """The end token that a model with several writes here: in a chat what its template puts behind an answer."""
        written = ""
        if messages:
            answered = [*messages, {"role": "assistant", "content": "Yes."}]
            written = str(self.tokenizer.apply_chat_template(answered, tokenize=False))
        names = {end: str(self.tokenizer.convert_ids_to_tokens(end)) for end in self._ends}
        return max(names, key=lambda end: (written.rfind(names[end]), end == self.tokenizer.eos_token_id))

    def facts(self) -> dict[str, Any]:
        """Who answered."""
        return {"server": self._server.base_url, "served_model": self._server.model, "requests": self._asked}
