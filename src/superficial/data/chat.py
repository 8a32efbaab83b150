"""Chat logs: messages with roles. The user's are the turns of a dialogue; models write the answers themselves."""

from collections.abc import Mapping
from typing import Any

from superficial.artifacts.errors import UserError

LOGS = ("messages", "conversations", "conversation")  # fields that hold a log
ROLES = {
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant", "model": "assistant",
    "system": "system", "developer": "system",
}  # fmt: skip


def user_messages(messages: list[Any], where: str) -> tuple[list[Any], bool]:
    """What the user says, message by message, and whether the log holds answers, too.

    A message is {"role": …, "content": …} or {"from": …, "value": …}. A system message with text is refused, because
    the method says what stands there; so is a role that is neither user nor assistant.
    """
    asked: list[Any] = []
    answered = False
    for number, message in enumerate(messages, start=1):
        place = f"{where}, message {number}"
        if not isinstance(message, Mapping):
            raise UserError("no message", where=place, remedy='write it as {"role": "user", "content": "…"}')
        role, content = (message.get("role"), message.get("content"))
        if role is None:
            role, content = (message.get("from"), message.get("value"))
        kind = ROLES.get(str(role).lower())
        if kind is None:
            what = "no role" if role is None else f"the role {role!r}"
            raise UserError(what, where=place, remedy="user or assistant: a log with others cannot be asked again")
        if kind == "system" and content not in (None, ""):
            remedy = "write it into the first message of the user, or into the system text of the method"
            raise UserError("a system message is not carried", where=place, remedy=remedy)
        if kind == "user":
            asked.append(_text(content, place))
        answered = answered or kind == "assistant"
    if not asked:
        raise UserError("no message of a user", where=where, remedy="every instruction needs text")
    return asked, answered


def _text(content: Any, where: str) -> Any:
    """What a message says; of a list of parts, the text that is the only one."""
    if not isinstance(content, list):
        return content
    texts = [part.get("text") for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
    if len(content) != 1 or len(texts) != 1:
        raise UserError("several parts, or none that is text", where=where, remedy="give the message as one text")
    return texts[0]
