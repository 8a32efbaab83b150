"""Answers as generation writes them, made by hand: a token is a character."""

import numpy as np

from superficial.inference.generate.stop import cut_answer


class Letters:
    """A tokenizer whose tokens are characters."""

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))


def answered(decoded: str, *, final: bool = True) -> dict[str, object]:
    """A row of responses as generation writes it."""
    text, stopped = cut_answer(decoded, final=final)
    ids = np.array([ord(char) for char in decoded])
    return {"text": text, "token_ids": ids, "finish_reason": "stop" if stopped else "length", "near_ties": 0.0}
