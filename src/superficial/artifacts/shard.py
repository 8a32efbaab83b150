"""Shards: equal parts of a stage's work, which jobs of their own do beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Piece = TypeVar("Piece")


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 1) of `count`.

    A stage cuts its work into pieces that do not hang on the number of shards, and a shard takes whole pieces: whoever
    does a piece, and with how many others, its result is the same to the bit.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """From INDEX-of-COUNT.

        >>> Shard.parse("2-of-3")
        Shard(index=2, count=3)
        """
        index, count = map(int, text.split("-of-"))
        if not 1 <= index <= count:
            raise ValueError(text)
        return cls(index, count)

    def of(self, pieces: Sequence[Piece]) -> list[Piece]:
        """The pieces that are this shard's: every so-manieth, so that long and short ones are spread over all.

        >>> Shard(2, 3).of("abcdefgh")
        ['b', 'e', 'h']
        """
        return list(pieces[self.index - 1 :: self.count])


WHOLE = Shard(1, 1)
