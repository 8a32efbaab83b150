"""Messages in a model's own chat template."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from jinja2.exceptions import SecurityError, TemplateError
from transformers import PreTrainedTokenizerBase

from superficial.artifacts.errors import UserError
from superficial.models.template_date import date_arguments
from superficial.prompts.encoder import Encoder
from superficial.prompts.layout import PromptPiece

Message = dict[str, str]  # role and content
MARK = re.compile("\ue000([0-9]+)\ue001")  # private use: no template takes it for anything


def chat_pieces(
    encoder: Encoder,
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    day: date | None = None,
    told: Mapping[str, Any] | None = None,
) -> list[PromptPiece]:
    """The template's rendering of `messages`, up to where the response begins, as on that `day`.

    `told` are further variables of the template.
    """
    text = render(tokenizer, messages, day, told)
    _require_system(text, messages)
    if not any(encoder.spells_special(message["content"]) for message in messages):
        return [PromptPiece(text, plain=False)]
    # To find where the messages stand, the template is rendered with marks in their places.
    marked = render(tokenizer, [{**one, "content": f"\ue000{n}\ue001"} for n, one in enumerate(messages)], day, told)
    for shown in (str, str.strip):  # most templates trim what they are given
        pieces = [
            PromptPiece(shown(messages[int(part)]["content"]), plain=True) if odd else PromptPiece(part, plain=False)
            for part, odd in zip(MARK.split(marked), _alternating(), strict=False)
        ]
        if "".join(piece.text for piece in pieces) == text:
            return pieces
    raise UserError(
        "a message names a special token, and the chat template rewrites messages, so the two cannot be told apart",
        where="chat template",
        remedy="take the token's name out of the instruction",
    )


def render(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    day: date | None = None,
    told: Mapping[str, Any] | None = None,
) -> str:
    """`messages` as text, with what opens the next response at the end."""
    arguments: dict[str, Any] = {"add_generation_prompt": True, "tokenize": False, **date_arguments(tokenizer, day)}
    arguments |= told or {}
    try:
        return str(tokenizer.apply_chat_template(list(messages), **arguments))
    except SecurityError as error:
        raise UserError(
            f"the chat template reaches for what no template needs ({error}), and was stopped",
            where="chat template",
            remedy="do not trust this model's files; take its chat template from its authors",
        ) from error
    except TemplateError as error:
        raise UserError(
            f"the chat template refuses these messages: {error}",
            where=f"{tokenizer.name_or_path}, chat template",
            remedy="drop prompt.system, or use a model whose template has it",
        ) from error
    except Exception as error:  # a template is a program of somebody else's
        raise UserError(
            f"the chat template breaks: {type(error).__name__}: {error}",
            where=f"{tokenizer.name_or_path}, chat template",
            remedy="mend chat_template.jinja where the model came from",
        ) from error


def _require_system(text: str, messages: Sequence[Message]) -> None:
    for message in messages:
        if message["role"] == "system" and message["content"].strip() not in text:
            raise UserError(
                "the chat template leaves the system message out", where="config, key prompt.system", remedy="drop it"
            )


def _alternating() -> Iterator[bool]:
    while True:
        yield False
        yield True
