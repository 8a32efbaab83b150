"""The engine behind an OpenAI-compatible server."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from superficial.artifacts.errors import UserError
from superficial.artifacts.shard import Shard
from superficial.config.schema.server import ServerEngine
from superficial.inference.finish_reason import EOS
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.replay import replay
from superficial.inference.server import answers
from superficial.inference.server.ledger import open_ledger, request_key
from superficial.inference.server.probe import OBEYS, require_penalty
from superficial.inference.server.reply import Reply, ServerRequest
from superficial.inference.server.way import TELL, Way, find_way, known_way, told_ids
from superficial.models.load import load_end_ids, load_tokenizer
from superficial.prompts.builder import Prompt
from superficial.prompts.chat import Message


class RemoteEngine:
    """Asks a server that somebody started; `tokenizer` is the model's own, for prompts and token ids.

    Where the server takes and tells token ids, they are read as the local engine reads its own. Else texts are sent,
    and the token ids of an answer are the tokenizer's own for its text: the server does not tell which it decoded.
    """

    def __init__(
        self,
        server: ServerEngine,
        model: Path,
        greedy: GreedyDecoding,
        results: Path,
        told: Mapping[str, Any] | None = None,
        who: str = answers.WHO,
    ) -> None:
        """`told` is what the chat template is told beside the messages; `who` names this engine in messages."""
        self.tokenizer = load_tokenizer(model)
        self.end_ids = load_end_ids(model, self.tokenizer)
        self._server, self._greedy, self._told, self._who = server, greedy, told, who
        self._ledger = open_ledger(server, results)
        self._way: Way | None = None
        self._asked = 0

    def answer(self, prompts: Mapping[str, Prompt]) -> dict[str, Answer]:
        """Every answer; none that is in the ledger is asked for again."""
        if not prompts:
            return {}
        self._asked += len(prompts)
        way = self._find_way(prompts)
        if way is Way.IDS:
            return self._by_ids(prompts)
        found = {}
        for example, reply in self._replies(self._requests(prompts, way), prompts).items():
            one = answers.finished(reply, self._greedy)
            ids: list[int] = self.tokenizer(one.text, add_special_tokens=False).input_ids
            end = [self._end(prompts[example].messages)] if one.finish_reason == EOS else []
            found[example] = Answer([*ids, *end], one.text, one.finish_reason, None)
        return found

    def share(self, prompts: Mapping[str, Prompt], shard: Shard) -> None:
        """The ledger keeps the answers."""
        mine = {example: prompts[example] for example in shard.of(list(prompts))}
        if mine:
            self._replies(self._requests(mine, self._find_way(mine)), mine)

    def facts(self) -> dict[str, Any]:
        """Who answered, and whether it told the tokens."""
        told = "told by the server" if self._way is Way.IDS else "the tokenizer's, for the server's text"
        where = {"server": self._server.base_url, "served_model": self._server.model, "requests": self._asked}
        return where | {"prompts": "text" if self._way is Way.TEXT else "token ids", "token_ids": told}

    # What an engine that starts its own server does otherwise.

    def _reach(self, tokens: int) -> ServerEngine:
        """The server, ready for sequences of so many `tokens`."""
        return self._server

    def _told_of(self, error: UserError) -> UserError:
        """An error while asking, with what is known of its cause."""
        return error

    # Asking.

    def _find_way(self, prompts: Mapping[str, Prompt]) -> Way:
        if self._way is None:
            # What was answered before token ids were known here is as good as ever.
            missing = self._missing(self._requests(prompts, Way.TEXT))
            self._way = self._learn_way(self._longest(prompts)) if missing else Way.TEXT
        return self._way

    def _learn_way(self, tokens: int) -> Way:
        way, penalty = known_way(self._ledger), self._greedy.repetition_penalty != 1.0
        obeyed = not penalty or f"{OBEYS}{self._server.penalty_field}" in self._ledger.learned
        if way and obeyed:
            return way
        server = self._reach(tokens)
        try:
            if not obeyed:
                require_penalty(server, self._ledger, self._who)
            return way or find_way(server, self._ledger, self.tokenizer, self._who)
        except UserError as error:
            raise self._told_of(error) from error

    def _requests(self, prompts: Mapping[str, Prompt], way: Way, *, spare_tokens: bool = True) -> list[ServerRequest]:
        sent = {key: one.ids if way is not Way.TEXT else self._as_text(one) for key, one in prompts.items()}
        further = TELL if way is Way.IDS else {}
        return answers.answer_requests(sent, self._greedy, self._server, self._told, further, spare_tokens=spare_tokens)

    def _missing(self, requests: Sequence[ServerRequest]) -> bool:
        return any(request_key(self._server, request) not in self._ledger for request in requests)

    def _replies(self, requests: Sequence[ServerRequest], prompts: Mapping[str, Prompt]) -> dict[str, Reply]:
        server = self._reach(self._longest(prompts)) if self._missing(requests) else self._server
        try:
            return answers.replies_to(requests, server, self._ledger, self._who)
        except UserError as error:
            raise self._told_of(error) from error

    def _by_ids(self, prompts: Mapping[str, Prompt]) -> dict[str, Answer]:
        found: dict[str, Answer] = {}
        for example, reply in self._replies(self._requests(prompts, Way.IDS), prompts).items():
            if answer := self._read(reply, prompts[example]):
                found[example] = answer
        # The stop text stood in the middle of an answer: what comes after it is needed, too.
        left = {example: prompt for example, prompt in prompts.items() if example not in found}
        for example, reply in self._whole(left).items():
            answer = self._read(reply, prompts[example])
            if answer is None:
                raise UserError(
                    f"item {example}: the server stopped after {len(told_ids(reply.body))} tokens, and nothing of ours"
                    " ends an answer there",
                    where=self._who, remedy="compare its log, and generation_config.json of the model that it serves",
                )  # fmt: skip
            found[example] = answer
        return {example: found[example] for example in prompts}

    def _whole(self, prompts: Mapping[str, Prompt]) -> dict[str, Reply]:
        requests = self._requests(prompts, Way.IDS, spare_tokens=False)
        return self._replies(requests, prompts) if requests else {}

    def _read(self, reply: Reply, prompt: Prompt) -> Answer | None:
        tokens = told_ids(reply.body)
        if answer := replay(self, self._greedy, tokens):
            return answer
        # Some servers do not tell the end token itself.
        ended = reply.finish_reason != "length" and answers.stop_text_met(reply) is None
        return replay(self, self._greedy, [*tokens, self._end(prompt.messages)]) if ended else None

    def _longest(self, prompts: Mapping[str, Prompt]) -> int:
        return max(len(one.ids) for one in prompts.values()) + self._greedy.max_new_tokens

    def _as_text(self, prompt: Prompt) -> str | Sequence[Mapping[str, str]]:
        bos = str(self.tokenizer.bos_token or "")
        return prompt.messages or prompt.text.removeprefix(bos)  # the server's tokenizer writes the BOS

    def _end(self, messages: Sequence[Message]) -> int:
        """The end token that a model with several writes here: in a chat what its template puts behind an answer."""
        written = ""
        if messages:
            answered = [*messages, {"role": "assistant", "content": "Yes."}]
            written = str(self.tokenizer.apply_chat_template(answered, tokenize=False))
        names = {end: str(self.tokenizer.convert_ids_to_tokens(end)) for end in self.end_ids}
        return max(names, key=lambda end: (written.rfind(names[end]), end == self.tokenizer.eos_token_id))
