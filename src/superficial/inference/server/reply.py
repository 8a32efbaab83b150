"""What a server answered, or why there is no answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, NonNegativeInt, ValidationError

from superficial.inference.server.faults import Faulty

WHOLE = ("stop", "length", "eos_token", "stop_sequence")  # finish reasons; the last two are TGI's
CHARACTERS = 4  # of one token


@dataclass(frozen=True)
class ServerRequest:
    """One thing to ask: `item` names it in messages, `body` is the whole payload of chat or plain completions.

    `whole`: an answer that does not say that it ended, by itself or at max_tokens, is no usable one. `spare` names
    parameters that may be left out for a server that does not take them. `beside` is sent, too, and changes nothing
    where a server has no defaults of its own: it is no part of what is asked, and may be left out.
    """

    item: str
    body: dict[str, Any]
    whole: bool = False
    spare: frozenset[str] = frozenset()
    beside: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sent(self) -> dict[str, Any]:
        """The payload for a server that takes everything."""
        return {**self.beside, **self.body}

    @property
    def may_go(self) -> frozenset[str]:
        """Parameters that may be left out."""
        return self.spare | self.beside.keys()

    @property
    def kind(self) -> str:
        """The endpoint below base_url."""
        return "chat/completions" if "messages" in self.body else "completions"

    @property
    def characters(self) -> int:
        """Length of the prompt; of token ids an estimate."""
        if "messages" not in self.body:
            prompt = self.body["prompt"]
            return len(prompt) if isinstance(prompt, str) else CHARACTERS * len(prompt)
        return sum(len(str(message["content"])) for message in self.body["messages"])


@dataclass(frozen=True)
class Reply:
    """A usable answer; `body` is the JSON that the server sent, so that anything in it can be read again later."""

    text: str
    finish_reason: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """No usable answer: one line that names who asked, the endpoint and the item.

    `refused` is why the server refused it, without the item (empty: it failed otherwise, or its own text was refused).
    """

    reason: str
    refused: str = ""


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Answer(BaseModel):
    choices: list[_Choice]


class _Usage(BaseModel):
    prompt_tokens: NonNegativeInt = 0
    completion_tokens: NonNegativeInt = 0


def read_reply(body: Any) -> Reply:
    """The first choice of an answer. A null content is an empty text: the model may have refused, or run out of length.

    Half a surrogate pair, which JSON can hold and no file can, becomes U+FFFD.

    >>> read_reply({"choices": [{"text": "yes", "finish_reason": "stop"}]}).text
    'yes'

    Raises Faulty when `body` is no answer of this protocol.
    """
    try:
        answer = _Answer.model_validate(body, strict=True)
        choice = answer.choices[0]
    except (ValidationError, IndexError):
        raise Faulty(f"an answer of another schema{_said(body)}") from None
    if choice.message is None and choice.text is None:
        raise Faulty(f"an answer without a message{_said(body)}")
    text = choice.text if choice.message is None else choice.message.content
    readable = (text or "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return Reply(readable, choice.finish_reason or "", body)


def check_whole(reply: Reply) -> None:
    """Raise Faulty when the server broke off (abort, content_filter), or does not say why it ended."""
    if reply.finish_reason not in WHOLE:
        raise Faulty(f"an answer that was broken off (finish_reason {reply.finish_reason or 'null'})")


def usage(body: dict[str, Any]) -> tuple[int, int] | None:
    """Prompt and completion tokens as the server counted them; None when it does not say."""
    try:
        counted = _Usage.model_validate(body.get("usage"))
    except ValidationError:
        return None
    return counted.prompt_tokens, counted.completion_tokens


def _said(body: Any) -> str:
    """The message of an error that came with status 200, as some gateways send it."""
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return f": {message[:200]}" if isinstance(message, str) else ""
