"""Contexts: the token ids that a model sees before the first response token (paper, section 2.1)."""

from transformers import PreTrainedTokenizerBase

from superficial.errors import UserError
from superficial.models.load import Loaded
from superficial.schema import PromptConfig


def context_ids(tokenizer: PreTrainedTokenizerBase, prompt: PromptConfig, instruction: str) -> list[int]:
    """Token ids of `instruction` under `prompt`, with exactly one BOS if the tokenizer uses one, else none."""
    if prompt.kind == "chat":
        # A chat template writes its own BOS, so the tokenizer must not add a second one.
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": instruction}], add_generation_prompt=True, tokenize=False
        )
        return one_bos(tokenizer, tokenizer(text, add_special_tokens=False).input_ids)
    assert prompt.template is not None
    # Not str.format: an instruction may hold braces.
    text = prompt.template.replace("{instruction}", instruction)
    return one_bos(tokenizer, tokenizer(text).input_ids)


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


def check_length(loaded: Loaded, tokens: int, *, example: str, what: str) -> None:
    """Refuse an example that does not fit into the model's positions."""
    if tokens > loaded.max_length:
        raise UserError(
            f"{what} needs {tokens} tokens, and model {loaded.manifest['name']} has positions for {loaded.max_length}",
            where=f"instruction {example}",
            remedy="shorten the instruction, or lower generate.max_new_tokens",
        )
