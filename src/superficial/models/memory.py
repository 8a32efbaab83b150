"""What a model's work takes of memory, and how much of it fits at a time: the plan and the stages reckon with this."""

from dataclasses import dataclass

USABLE = 0.9  # of the memory of a card: the rest goes to the driver, to the libraries and between the blocks
ANSWERS, TOKENS, POSITIONS = 256, 16_384, 2_048  # at a time on a card, at most: more takes memory and gains little
# At a time on a processor. There products are slow and memory is large, so that nothing follows from the model.
ON_CPU = {"generate_batch": 40, "score_tokens": 1024, "position_chunk": 256}
LOGIT = 4  # bytes: logits are float32 in every dtype
PASSING = 32  # numbers of the hidden width that a token has while it passes a layer: attention, a wide feed-forward


@dataclass(frozen=True)
class Footprint:
    """A decoder in memory. All sizes are bytes, all counts are at least 1; `room` is what its weights leave over."""

    weights: float
    width: int  # of a number in its dtype
    layers: int
    hidden: int
    kv_heads: int
    head_dim: int
    vocabulary: int

    @property
    def kept(self) -> int:
        """The keys and values of one token."""
        return 2 * self.layers * self.kv_heads * self.head_dim * self.width

    @property
    def passing(self) -> int:
        """One token on its way through the layers."""
        return PASSING * self.hidden * self.width

    def answer(self, tokens: float, fed: float) -> float:
        """One answer while it is decoded, `tokens` long with its prompt, of which `fed` tokens are read with others'.

        Beside keys and values about three rows of logits.
        """
        return tokens * self.kept + fed * self.passing + 3 * LOGIT * self.vocabulary

    def answers(self, tokens: float, fed: float, room: float) -> int:
        """How many such answers are decoded together."""
        return at_a_time(self.answer(tokens, fed), room, ANSWERS)

    def tokens(self, prefix: float, rest: float, room: float) -> int:
        """How many tokens are scored together, where every `rest` tokens (at the least) stand behind a `prefix`.

        Each row of a batch has a copy of what the prefix left in the cache.
        """
        cached = self.kept * (1 + prefix / rest) if prefix else 0.0
        return at_a_time(self.passing + cached, room, TOKENS)

    def comparing(self, positions: int) -> float:
        """Two heads, and so many positions over the whole vocabulary."""
        return 2 * self.vocabulary * self.hidden * self.width + positions * position(self.vocabulary)


def position(vocabulary: int) -> float:
    """One position while it is compared: about four blocks of logits."""
    return 4.0 * LOGIT * vocabulary


def at_a_time(each: float, room: float, most: int) -> int:
    """How many of them are worked on together, one at the least.

    >>> at_a_time(10, 75, 256), at_a_time(10, 7.5, 256), at_a_time(10, 1e9, 256)
    (7, 1, 256)
    """
    return max(1, min(most, int(room // each)))
