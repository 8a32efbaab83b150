"""The finest segmentation that two tokenizations of one text have in common."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


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
