"""What a method tells the model's chat template beside the messages."""

import pytest
from support.tiny import CHAT, make_tokenizer

from superficial.artifacts.errors import UserError
from superficial.config.schema import PromptConfig
from superficial.prompts.builder import PromptBuilder

THINKS = CHAT + "{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}"


def thinking(told: dict[str, bool]) -> str:
    tokenizer = make_tokenizer(chat=True)
    tokenizer.chat_template = THINKS
    prompt = PromptConfig(kind="chat", chat_template_kwargs=told)
    return PromptBuilder(prompt, tokenizer, model="tiny").build("Why?").text


def test_the_chat_template_is_told_what_the_method_says():
    assert thinking({"enable_thinking": False}) == thinking({}) + "<think></think>"
    assert thinking({"enable_thinking": True}) == thinking({})


def test_what_the_template_never_reads_is_refused():
    with pytest.raises(UserError, match="asks for no 'enable_thoughts'"):
        thinking({"enable_thoughts": False})
    with pytest.raises(ValueError, match="the pipeline decides it"):
        PromptConfig(kind="chat", chat_template_kwargs={"tokenize": False})
    with pytest.raises(ValueError, match="belong to kind=chat"):
        PromptConfig(kind="completion", template="{instruction}", chat_template_kwargs={"enable_thinking": False})


def test_a_method_that_says_nothing_is_written_as_before_the_key_was_known():
    """Else every finished answer would count as made by another method."""
    assert "chat_template_kwargs" not in PromptConfig(kind="chat").model_dump(mode="json")
    assert "chat_template_kwargs" in PromptConfig(kind="chat", chat_template_kwargs={"a": 1}).model_dump(mode="json")
