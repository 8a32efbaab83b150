"""Rows of the token table that were computed once, kept by content: a run that grows compares only what is new."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from superficial.artifacts.files import digest
from superficial.artifacts.table import read_table, write_table

VERSION = 2  # part of what rows are kept under: raise it when a comparison changes
CONTENT = "content"  # column that says whose rows these are


class TokenRows:
    """The rows of responses, in `results/.shifts`: a file for each job, each whole or not there.

    `key` identifies everything but a response's own states and tokens. Deleting the folder costs work and no more.
    """

    def __init__(self, results: Path, key: object) -> None:
        self._folder = results / ".shifts" / digest([key, VERSION])[:32]
        self._parts: list[pd.DataFrame] = []
        self._place: dict[str, range] = {}  # of the rows of a response among those of all parts
        for file in sorted(self._folder.glob("*.parquet")):
            self._add(read_table(file))

    def __contains__(self, content: str) -> bool:
        return content in self._place

    def put(self, contents: Sequence[str], lengths: Sequence[int], rows: pd.DataFrame) -> None:
        """Keep the `rows` of responses with these `contents`, `lengths` of them each, in this order."""
        part = rows.assign(**{CONTENT: np.repeat(np.array(contents, dtype=object), lengths)})
        write_table(part, self._folder / f"{digest(list(contents))[:32]}.parquet")
        self._add(part)

    def get(self, contents: Iterable[str]) -> pd.DataFrame:
        """The rows of all these responses, one after the other."""
        places = [np.arange(one.start, one.stop) for one in map(self._place.__getitem__, contents)]
        return pd.concat(self._parts).iloc[np.concatenate(places)].drop(columns=CONTENT).reset_index(drop=True)

    def _add(self, part: pd.DataFrame) -> None:
        before = sum(map(len, self._parts))
        contents = part[CONTENT].to_numpy()
        starts = np.flatnonzero(np.append(True, contents[1:] != contents[:-1]))
        for start, stop in zip(starts, [*starts[1:], len(part)], strict=True):
            self._place[contents[start]] = range(before + start, before + stop)
        self._parts.append(part)


def tensor_digest(*parts: torch.Tensor) -> str:
    """What a response is kept under: the digest of its states on both sides and its tokens, to the bit."""
    found = sha256()
    for part in parts:
        found.update(str((part.dtype, tuple(part.shape))).encode())
        found.update(part.contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
