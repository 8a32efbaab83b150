"""Token ids that a server decoded, read as the local engine reads its own: the cut is ours."""

from collections.abc import Sequence
from dataclasses import replace

from superficial.inference.generate.answer import Answer, EndTokens, GreedyDecoding, UnfinishedAnswer


def replay(loaded: EndTokens, greedy: GreedyDecoding, tokens: Sequence[int]) -> Answer | None:
    """The answer that these tokens make; None where no end token, stop rule or length ends it within them.

    Nobody knows how near the second choices were.
    """
    unfinished = UnfinishedAnswer(loaded, greedy)
    for token in tokens:
        if answer := unfinished.add(token, False):
            return replace(answer, near_ties=None)
    return None
