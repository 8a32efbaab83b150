"""One response as both models read it: each its own tokens of the same text, and the segments that these share."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from superficial.artifacts.errors import UserError
from superficial.probes.spans.byte_pair import ByteReport
from superficial.probes.spans.spelling import Spelling


@dataclass(frozen=True)
class PairedReading:
    """`used` aligned tokens stand against all of `base_ids`; with `ended` the last one of each is the end of turn."""

    example: str
    base_ids: list[int]
    aligned_ids: list[int]  # the whole response
    base_bytes: list[bytes]  # of the tokens that are text
    aligned_bytes: list[bytes]
    ended: bool

    @property
    def used(self) -> int:
        """Aligned tokens that are compared; what comes behind them is left out."""
        return len(self.aligned_bytes) + self.ended


def paired_readings(
    base: Spelling, aligned: Spelling, report: ByteReport, responses: pd.DataFrame
) -> Iterator[PairedReading]:
    """Every response. One whose text the base's tokenizer would change is left out whole.

    An end of turn counts where it follows the text at once.
    """
    ends = {end.aligned.id: end.base.id for end in report.ends}
    for example, tokens in zip(responses["id"], responses["token_ids"], strict=True):
        ids = [int(token) for token in tokens]
        parts = aligned.written(ids)
        read = base.read(b"".join(parts).decode())
        if read is None:
            yield PairedReading(example, [], ids, [], [], ended=False)
            continue
        behind = ids[len(parts) :]
        ended = len(behind) == 1 and behind[0] in ends
        end = [ends[behind[0]]] if ended else []
        yield PairedReading(example, read + end, ids, [base.texts[token] for token in read], parts, ended)


@dataclass(frozen=True)
class Segment:
    """Bytes [start, stop) of a text, and the tokens of each side that make them up."""

    start: int
    stop: int
    base: slice
    aligned: slice


def segments(base: Sequence[bytes], aligned: Sequence[bytes]) -> list[Segment]:
    """Cut where a token ends on both sides; no token is empty, and both sides are the same bytes.

    >>> [(one.start, one.stop) for one in segments([b"pl", b"ant", b"s"], [b"plant", b"s"])]
    [(0, 5), (5, 6)]
    """
    left, right = (np.cumsum([len(part) for part in side], dtype=np.int64) for side in (base, aligned))
    cuts = np.intersect1d(left, right)
    found, start, before = [], 0, (0, 0)
    for stop in cuts.tolist():
        after = int(np.searchsorted(left, stop)) + 1, int(np.searchsorted(right, stop)) + 1
        found.append(Segment(start, stop, slice(before[0], after[0]), slice(before[1], after[1])))
        start, before = stop, after
    return found


class Readings:
    """All responses as `paired_readings` gives them: made when they are asked for, because they are large."""

    def __init__(self, base: Spelling, aligned: Spelling, report: ByteReport, responses: pd.DataFrame) -> None:
        self._given = base, aligned, report, responses

    def __iter__(self) -> Iterator[PairedReading]:
        return paired_readings(*self._given)

    @property
    def compared(self) -> Iterator[PairedReading]:
        """Those of which something is compared."""
        return (one for one in self if one.base_ids)


def require_some(found: Iterable[PairedReading], base: str) -> None:
    """Stop where the base can read nothing of what was answered."""
    if not any(one.base_ids for one in found):
        raise UserError(
            f"the tokenizer of {base} gives back no response as it was written",
            where=f"tokenizer of {base}",
            remedy="choose a base whose tokenizer keeps to bytes",
        )
