"""The token that a chat template writes after an answer."""

import json

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

# What a template can raise: it refuses, divides by zero, asks for a key, counts too far, includes itself.
FAILS = (TemplateError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
ANSWER = "ANSWER"  # stands for the assistant's words when a chat template is asked what it writes after them


def template_end(tokenizer: PreTrainedTokenizerBase, rows: int | None = None) -> int | None:
    """Id of the first special token that the chat template writes after an answer, below `rows`; null: none."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not tokenizer.chat_template or backend is None:
        return None
    messages = [{"role": "user", "content": "QUESTION"}, {"role": "assistant", "content": ANSWER}]
    try:
        text = str(tokenizer.apply_chat_template(messages, tokenize=False))
    except FAILS:  # a template may insist on messages of another form
        return None
    added = {entry["id"] for entry in json.loads(backend.to_str())["added_tokens"]}
    ids = tokenizer(text.rpartition(ANSWER)[2], add_special_tokens=False).input_ids
    return next((int(token) for token in ids if token in added and (rows is None or token < rows)), None)
