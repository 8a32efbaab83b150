"""What every context must have: one BOS, a chat template that hears what it is told, room in the model's positions."""

from collections.abc import Iterable

from transformers import PreTrainedTokenizerBase

from superficial.artifacts.errors import UserError
from superficial.models.load import LoadedModel


def one_bos(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[int]:
    """Leave one BOS where a template and a tokenizer both wrote one."""
    start = 0
    while ids[start : start + 2] == [tokenizer.bos_token_id] * 2:
        start += 1
    return ids[start:]


def require_chat_template(tokenizer: PreTrainedTokenizerBase, model: str) -> None:
    """Refuse a model without chat template before any work is done with it."""
    if not tokenizer.chat_template:
        raise UserError(
            f"model {model} has no chat template",
            where="config, key response.prompt.kind",
            remedy="add chat_template.jinja to its folder, or use it with a completion method",
        )


def require_heard(tokenizer: PreTrainedTokenizerBase, told: Iterable[str]) -> None:
    """Refuse a variable for the chat template which the template never reads."""
    template = tokenizer.get_chat_template()
    for name in told:
        if name not in template:
            raise UserError(
                f"the chat template of this model asks for no {name!r}",
                where="method, key prompt.chat_template_kwargs",
                remedy="take it out, or look the name up in the model's chat template",
            )


def check_length(loaded: LoadedModel, tokens: int, *, example: str, what: str) -> None:
    """Refuse an example that does not fit into the model's positions."""
    require_room(loaded.manifest["name"], loaded.max_length, tokens, example=example, what=what)


def require_room(model: str, positions: int, tokens: int, *, example: str, what: str) -> None:
    """Refuse an example that needs more `tokens` than the model has `positions`."""
    if tokens > positions:
        raise UserError(
            f"{what} needs {tokens} tokens, and model {model} has positions for {positions}",
            where=f"instruction {example}",
            remedy="shorten the instruction, show fewer examples, or lower generate.max_new_tokens",
        )
