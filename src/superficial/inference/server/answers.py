"""A server answers the prompts, with the same decoding as a model in this process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from superficial.artifacts.errors import UserError
from superficial.config.schema.server import ServerEngine
from superficial.inference.finish_reason import EOS, LENGTH, STOP
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.stop import HEADER, cut_by_rule
from superficial.inference.server.client import ask
from superficial.inference.server.ledger import Ledger
from superficial.inference.server.reply import Failure, Reply, ServerRequest

# What greedy decoding does without. It is sent all the same: for what a request leaves out, servers take the values of
# the model's own generation_config.json, and some models have a repetition penalty there. A server that does not know
# one of these has no such values either.
NEUTRAL = {"top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "repetition_penalty": 1.0}
# Likewise; these were not always sent, so they are no part of what is asked, and old answers stay good.
BESIDE = {"top_k": -1, "min_p": 0, "seed": 0}

Prompt = str | Sequence[int] | Sequence[Mapping[str, str]]  # text to complete, its token ids, or the messages of a chat

# A text at which a server may stop: the closing fence and the query that a base model makes up next. That saves tokens.
# The stop rule decides as if the text went on, except for such lines in nested code blocks or between longer fences.
SPARED = f"```\n\n{HEADER}"
WHO = "engine openai_server"


@dataclass(frozen=True)
class ServedAnswer:
    """Text without end token, and why it ended (superficial.inference.finish_reason)."""

    text: str
    finish_reason: str


def answer_prompts(
    prompts: Mapping[str, Prompt],
    greedy: GreedyDecoding,
    server: ServerEngine,
    ledger: Ledger,
    told: Mapping[str, Any] | None = None,
) -> dict[str, ServedAnswer]:
    """Greedy answers by the keys of `prompts`: texts and ids go to completions, messages to chat.

    `told` is what the chat template is told beside the messages; vLLM and SGLang call it chat_template_kwargs.

    A prompt text must not spell out a BOS that the server's tokenizer adds. If a server does not say whether it met the
    stop text or an end token, the stop text is assumed.

    Raises UserError when any answer is missing; the others are stored.
    """
    replies = replies_to(answer_requests(prompts, greedy, server, told), server, ledger)
    return {key: finished(reply, greedy) for key, reply in replies.items()}


def answer_requests(
    prompts: Mapping[str, Prompt],
    greedy: GreedyDecoding,
    server: ServerEngine,
    told: Mapping[str, Any] | None = None,
    further: Mapping[str, Any] | None = None,
    *,
    spare_tokens: bool = True,
) -> list[ServerRequest]:
    """What is asked; `further` is asked, too. Without `spare_tokens` an answer runs on behind a stop text."""
    found = []
    for key, prompt in prompts.items():
        body = _body(prompt, greedy, server, told or {}) | dict(further or {})
        if not spare_tokens:
            body.pop("stop", None)
        spare = frozenset(name for name in NEUTRAL if body[name] == NEUTRAL[name])
        found.append(ServerRequest(key, body, whole=True, spare=spare, beside=BESIDE))
    return found


def replies_to(
    requests: Sequence[ServerRequest], server: ServerEngine, ledger: Ledger, who: str = WHO
) -> dict[str, Reply]:
    """Every reply by its item; a UserError when any is missing, and the others are stored."""
    replies = ask(requests, server, ledger, who=who)
    failures = [reply for reply in replies.values() if isinstance(reply, Failure)]
    if failures:
        raise UserError(
            f"{len(failures)} of {len(replies)} answers are missing, the first: {failures[0].reason}",
            remedy="run the same command again: it asks only for these",
        )
    return {key: reply for key, reply in replies.items() if isinstance(reply, Reply)}


def _body(prompt: Prompt, greedy: GreedyDecoding, server: ServerEngine, told: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"model": server.model, "temperature": 0, "max_tokens": greedy.max_new_tokens} | NEUTRAL
    chat = not isinstance(prompt, str) and bool(prompt) and isinstance(prompt[0], Mapping)
    body["messages" if chat else "prompt"] = prompt if isinstance(prompt, str) else list(prompt)
    if told and chat:
        body["chat_template_kwargs"] = dict(told)
    if spared := _spared(greedy.stop):
        body["stop"] = [spared]
    if greedy.repetition_penalty != 1.0:
        excess = server.penalty_field == "frequency_penalty"
        body[server.penalty_field] = round(greedy.repetition_penalty - excess, 6)
    return body


def _spared(stop: str) -> str:
    return {"fence": SPARED, "end_of_turn": ""}.get(stop, f"\n{stop}")


def stop_text_met(reply: Reply) -> str | None:
    """The stop text at which a server says that it stopped; "" where it does not say; None: an end token, or none."""
    # vLLM and SGLang say what they met: the stop text, or an end token by its id or as null.
    choice = reply.body["choices"][0]
    met = choice.get("stop_reason", choice.get("matched_stop", ""))
    stopped = reply.finish_reason in ("stop", "stop_sequence")
    return met if stopped and isinstance(met, str) else None


def finished(reply: Reply, greedy: GreedyDecoding) -> ServedAnswer:
    """The answer, cut by the method's stop rule."""
    text, found = reply.text, False
    if spared := _spared(greedy.stop):
        # Most servers leave the stop text out of the answer.
        if stop_text_met(reply) is not None and spared not in text:
            text += spared
        text, found = cut_by_rule(text, greedy.stop, final=True)
    if found:
        return ServedAnswer(text, STOP)
    return ServedAnswer(text, LENGTH if reply.finish_reason == "length" else EOS)
