"""Engines: who answers prompts. Here the model in this process; `remote.py` and `started.py` have servers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from transformers import PreTrainedTokenizerBase

from superficial.artifacts.shard import Shard
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.requests import (
    GenerationRequest,
    answer_requests,
    generation_request,
    open_store,
    shard_requests,
)
from superficial.inference.room import Size, answers_at_a_time
from superficial.models.load import LoadedModel
from superficial.prompts.builder import Prompt
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

    def __init__(self, loaded: LoadedModel, greedy: GreedyDecoding, batch: Size, results: Path) -> None:
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
        ids = [one.prompt for one in requests]
        batch = answers_at_a_time(self._batch, self._loaded, ids, self._greedy.max_new_tokens)
        part = shard_requests(requests, batch, shard)
        answer_requests(self._loaded, self._greedy, part, batch, self._store, among=requests)

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
