"""Answers of one method apart from what the model thought before them."""

from dataclasses import dataclass

import pandas as pd
from transformers import PreTrainedTokenizerBase

from superficial.artifacts.job_log import say
from superficial.data.answered import unanswered
from superficial.inference.generate.answer import Answer
from superficial.prompts.builder import PromptBuilder


@dataclass(frozen=True)
class Parts:
    """A response in two."""

    answer: str  # empty where the response ends within its thinking
    thinking: str | None = None  # with its markers; None: the response does not think
    tokens: int = 0  # the first ones of the response, which hold the thinking


class ThinkingReader:
    """Tells both parts of the responses to the prompts of one method."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, prompts: PromptBuilder) -> None:
        self._tokenizer = tokenizer
        self._markers = prompts.thinking
        if self._markers:
            self._opened = self._markers.opened_by(prompts.opening)
            if self._opened is None and not prompts.chat:
                self._opened = False  # a text to complete says all itself

    def parts(self, response: Answer) -> Parts:
        """The answer, and the thinking before it; an end token within the thinking belongs to that."""
        thinking, answer = self.split(response.text)
        if thinking is None or self._markers is None:
            return Parts(answer)
        if self._markers.closing not in thinking:
            return Parts(answer, thinking, len(response.token_ids))
        return Parts(answer, thinking, self._markers.tokens(response.token_ids, self._decode))

    def split(self, text: str) -> tuple[str | None, str]:
        """The thinking in the text of a response, None where there is none, and the answer."""
        return self._markers.split(text, self._opened) if self._markers else (None, text)

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids))


def with_thinking(table: pd.DataFrame, parts: list[Parts]) -> pd.DataFrame:
    """`table` of responses with the columns thinking (null: none) and thinking_tokens; as it is where none thinks."""
    if all(one.thinking is None for one in parts):
        return table
    return table.assign(
        thinking=pd.Series([one.thinking for one in parts], index=table.index, dtype=object),
        thinking_tokens=[one.tokens for one in parts],
    )


def tell_thinking(table: pd.DataFrame) -> dict[str, int]:
    """Say how many responses think, and how many never come to an answer; the same for the sidecar."""
    if "thinking" not in table:
        return {}
    think, silent = int(table["thinking"].notna().sum()), int(unanswered(table).sum())
    say(f"{think} of {len(table)} responses hold a thinking part: tables/thinking shows it apart from the answers")
    if silent:
        say(
            f"{silent} of {len(table)} responses have no answer after their thinking, and count as unanswered: "
            "a larger generate.max_new_tokens lets them go on"
        )
    return {"thinking": think, "unanswered": silent}
