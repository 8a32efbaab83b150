"""A judge behind an OpenAI-compatible endpoint."""

from collections.abc import Callable, Mapping, Sequence
from math import nan
from pathlib import Path
from typing import Any

from superficial.artifacts.errors import UserError
from superficial.artifacts.job_log import say
from superficial.config.schema.judge import AskedServer, AskedStarted
from superficial.config.schema.server import ServerConfig
from superficial.inference.server.client import ask
from superficial.inference.server.ledger import Ledger
from superficial.inference.server.reply import Failure, Reply, ServerRequest
from superficial.judging.judges.choices import Choice, parse_choices
from superficial.judging.judges.item import Item, Judged, Kind, rubrics
from superficial.judging.judges.parse import Verdict, parse_scores

# A judge can do without these: the rubric asks for JSON, and reasoning models have no temperature.
SPARE = frozenset({"temperature", "seed", "response_format"})
NOT_APPLICABLE = "the judge said N/A"
Parser = Callable[[str, Sequence[str]], dict[str, Kind]]


class ServedJudge:
    """Asks through `superficial.inference.server`: what the ledger holds is never asked again, the budget is kept."""

    def __init__(self, cfg: AskedServer | AskedStarted, server: ServerConfig, ledger: Ledger) -> None:
        self._cfg, self._server, self._ledger = cfg, server, ledger

    def scores(self, items: Sequence[Item]) -> dict[tuple[str, str], Judged[Verdict]]:
        """Scores of single responses; without usable answer: unscored."""
        return self._judged(items, parse_scores, lambda why: Verdict(nan, "", why))

    def choices(self, items: Sequence[Item]) -> dict[tuple[str, str], Judged[Choice]]:
        """Choices between two responses; without usable answer: unscored."""
        return self._judged(items, parse_choices, lambda why: Choice("", "", why))

    def _judged(
        self, items: Sequence[Item], parse: Parser[Kind], nothing: Callable[[str], Kind]
    ) -> dict[tuple[str, str], Judged[Kind]]:
        first = {item.name: body for item, body in zip(items, self._bodies(items), strict=True)}
        replies = self._asked(first)
        failed = [reply for reply in replies.values() if isinstance(reply, Failure)]
        if failed and len(failed) == len(replies) and len({one.refused for one in failed}) == 1 and failed[0].refused:
            raise UserError(
                f"all {len(failed)} requests are refused for one reason: {failed[0].reason}",
                where=f"config/judge/{self._cfg.name}.yaml",
                remedy="change what the server does not take, then run the same command again",
            )
        if failed:
            how = "to ask them again: snakemake -R judge pairwise canaries judge_swapped"
            say(f"{len(failed)} of {len(replies)} items are unscored: {failed[0].reason} ({how})")
        found = {item.name: _parsed(replies[item.name], item, parse, nothing) for item in items}
        unread = [item for item in items if _unreadable(replies[item.name], found[item.name])]
        again = self._asked({item.name: self._repair(first[item.name], _text(replies[item.name])) for item in unread})
        for item in unread:
            for aspect, mended in _parsed(again[item.name], item, parse, nothing).items():
                if found[item.name][aspect].said.unscored and not mended.said.unscored:
                    found[item.name][aspect] = mended
        return {(name, aspect): one for name, answer in found.items() for aspect, one in answer.items()}

    def _asked(self, bodies: Mapping[str, dict[str, Any]]) -> dict[str, Reply | Failure]:
        requests = [ServerRequest(name, body, spare=SPARE) for name, body in bodies.items()]
        return ask(requests, self._server, self._ledger, who=f"judge {self._cfg.name}") if requests else {}

    def _bodies(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        texts = rubrics(self._cfg.prompt_files, items)
        return [self._body(item, texts[item.category, item.paired].fill(item.slots)) for item in items]

    def _body(self, item: Item, prompt: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._server.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": self._cfg.max_tokens,
        }
        if item.repeat:
            body["seed"] = item.repeat  # another request to the ledger, the same one to a greedy model
        if self._cfg.structured:
            schema = answer_schema(item.aspects, paired=item.paired)
            form = {"name": "judgment", "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body

    def _repair(self, body: dict[str, Any], said: str) -> dict[str, Any]:
        path = Path(self._cfg.repair)
        if not path.is_file():
            raise UserError("no such file", where=str(path), remedy="name a text file in judge.repair")
        turns = [{"role": "assistant", "content": said}, {"role": "user", "content": path.read_text(encoding="utf-8")}]
        return body | {"messages": [*body["messages"], *turns]}


def answer_schema(aspects: Sequence[str], *, paired: bool) -> dict[str, Any]:
    """JSON schema of an answer: for each aspect a reason, then a score or a preference."""
    value = {"better": ["A", "B", "tie"]} if paired else {"score": ["1", "2", "3", "4", "5", "N/A"]}
    ((name, options),) = value.items()
    entry = _object({"reason": {"type": "string"}, name: {"type": "string", "enum": options}})
    return _object(dict.fromkeys(aspects, entry))


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _text(reply: Reply | Failure) -> str:
    return reply.text if isinstance(reply, Reply) else ""


def _parsed(
    reply: Reply | Failure, item: Item, parse: Parser[Kind], nothing: Callable[[str], Kind]
) -> dict[str, Judged[Kind]]:
    if isinstance(reply, Failure) or not reply.text.strip():
        why = reply.reason if isinstance(reply, Failure) else _empty(reply)
        return {aspect: Judged(nothing(why), "") for aspect in item.aspects}
    return {aspect: Judged(said, reply.text) for aspect, said in parse(reply.text, item.aspects).items()}


def _empty(reply: Reply) -> str:
    """Why an answer has no text. What a model thinks before it answers counts as tokens, too."""
    if reply.finish_reason == "length":
        return "no text within max_tokens; a model that thinks first needs more of them (judge.max_tokens)"
    return "an empty answer"


def _unreadable(reply: Reply | Failure, found: Mapping[str, Judged[Kind]]) -> bool:
    """Whether asking for the same in JSON may help: something was said, and part of it could not be read."""
    lacking = [one.said.unscored for one in found.values() if one.said.unscored]
    return bool(_text(reply).strip()) and any(why != NOT_APPLICABLE for why in lacking)
