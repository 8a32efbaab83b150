"""Shards: equal parts of a stage's work, which jobs of their own do beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Piece = TypeVar("Piece")


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 1) of `count`.

    A stage cuts its work into pieces in the same way for any number of shards, and a shard takes whole pieces. So the
    result of a piece is the same to the bit, no matter which job does it.
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
        """The pieces of this shard: every `count`-th one, so that each shard gets long and short ones.

        >>> Shard(2, 3).of("abcdefgh")
        ['b', 'e', 'h']
        """
        return list(pieces[self.index - 1 :: self.count])


WHOLE = Shard(1, 1)
