"""One kind for every token of a response. See text.py for the rules, lists.py and *.txt for the words.

Kinds belong to words, not to pieces: the token texts are joined, words and expressions are found in the whole text, and
a token has the kind that most of its word characters have (the first one on a tie). A token without a word is
punctuation, unless it holds an emoji (style). So " unfortun" and "ately" are both style, however a tokenizer cuts them.

The end of turn is the caller's knowledge: models name that token differently, and a response that was cut off has none.
"""

from collections import Counter
from collections.abc import Sequence

from superficial.shift.kinds.text import NONE, kinds_of_text, shown_to_text

KINDS = ("style", "safety", "content", "function", "number", "punctuation", "end")


def classify(tokens: Sequence[str], *, ended: bool) -> list[str]:
    """Kind of each token of one response, in order.

    `tokens` are texts as the token table shows them; `ended` says that the last one closes the turn.

    >>> classify([" Un", "fortunately", ",", " I", " cannot", " help", ".", "<eos>"], ended=True)
    ['style', 'style', 'punctuation', 'safety', 'safety', 'safety', 'punctuation', 'end']
    """
    body = tokens[:-1] if ended else tokens
    texts = [shown_to_text(token) for token in body]
    kinds = kinds_of_text("".join(texts))
    found = []
    start = 0
    for text in texts:
        found.append(_of_token(kinds[start : start + len(text)]))
        start += len(text)
    return found + ["end"] * (len(tokens) - len(body))


def _of_token(kinds: Sequence[str]) -> str:
    """The commonest kind of a token's characters; any word goes before punctuation."""
    counts = Counter(kind for kind in kinds if kind not in (NONE, "punctuation"))
    return counts.most_common(1)[0][0] if counts else "punctuation"
