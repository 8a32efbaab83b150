"""Openings and swapped texts of a model that thinks: what a judge of them is shown."""

import pandas as pd
import pytest
from support.thinking import OPENS, thinking_tokenizer
from support.tiny import CHAT

from superficial.inference.generate.thinking import ThinkingReader
from superficial.models.thinking import ThinkingMarkers
from superficial.probes.causal.stage import opened_thinking
from superficial.probes.prefill.stage import answers_apart
from superficial.prompts.builder import PromptBuilder, PromptConfig


def reader(template: str) -> ThinkingReader:
    tokenizer = thinking_tokenizer(template)
    return ThinkingReader(tokenizer, PromptBuilder(PromptConfig(kind="chat"), tokenizer, model="tiny"))


@pytest.mark.parametrize(("template", "whole"), [(OPENS, ""), (CHAT, " so")])
def test_an_opening_stands_in_the_thinking_that_the_template_opened(template: str, whole: str):
    """Without a closing marker nothing is an answer there; elsewhere all of it is."""
    table = pd.DataFrame({"given": ["I think", "I think"], "text": [" so.</think> No.", " so"]})
    found = answers_apart(table, reader(template))
    assert found["text"].tolist() == ["No.", whole]
    assert found["thinking"][0] == "I think so.</think>"
    plain = table.iloc[1:]
    assert answers_apart(plain, reader(CHAT)) is plain


def test_whether_a_prompt_opened_the_thinking_is_read_off_the_responses():
    responses = pd.DataFrame({"id": ["a", "b", "c"], "thinking": ["so</think>", " <think>so</think>", None]})
    markers = ThinkingMarkers("<think>", "</think>")
    assert opened_thinking(responses, markers) == {"a": True, "b": None, "c": None}
    assert opened_thinking(responses[["id"]], markers) == {"a": None, "b": None, "c": None}
