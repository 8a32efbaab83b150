"""A tokenizer whose model thinks, and responses in two parts that somebody wrote."""

from collections.abc import Mapping

from support.tiny import CHAT, END, make_tokenizer
from transformers import PreTrainedTokenizerFast

from superficial.inference.finish_reason import EOS, LENGTH
from superficial.inference.generate.answer import Answer
from superficial.prompts.builder import Prompt

OPENS = CHAT + "{% if add_generation_prompt %}<think>\n{% endif %}"  # as DeepSeek-R1 and Qwen3-Thinking do
SECRET = "plants can"  # what is thought, and never said
WRITTEN = {  # of a model whose prompt has opened the thinking: text, and whether it ended by itself
    "both": (f"{SECRET} do many things</think>\n\nHere is a list.", True),
    "cut": (f"{SECRET} do many things that you", False),
    "last": (f"{SECRET}</think>", False),
    "nothing": (f"{SECRET}</think>", True),
    "long": (f"{SECRET}</think>How do I keep", False),
}
ANSWERS = {"both": "Here is a list.", "cut": "", "last": "", "nothing": "", "long": "How do I keep"}


def thinking_tokenizer(template: str = OPENS) -> PreTrainedTokenizerFast:
    tokenizer = make_tokenizer(chat=True)
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.chat_template = template
    return tokenizer


class Scripted:
    """An engine that says what it was told to, by instruction."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, written: Mapping[str, tuple[str, bool]]) -> None:
        self.tokenizer, self.written = tokenizer, written
        self.asked: list[str] = []

    def answer(self, prompts: Mapping[str, Prompt]) -> dict[str, Answer]:
        self.asked += [prompt.text for prompt in prompts.values()]
        return {name: self._said(*self.written[name]) for name in prompts}

    def _said(self, text: str, ended: bool) -> Answer:
        ids = list(self.tokenizer(text, add_special_tokens=False).input_ids)
        return Answer([*ids, END] if ended else ids, text, EOS if ended else LENGTH, 0)
