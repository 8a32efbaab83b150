"""Rows of the token table that were computed once, kept by content: a run that grows compares only what is new."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from superficial.artifacts.damage import undamaged
from superficial.artifacts.files import digest
from superficial.artifacts.table import write_table

VERSION = 2  # part of what rows are kept under: raise it when a comparison changes
CONTENT = "content"  # column that says whose rows these are
OPEN = 4  # files whose rows stay in memory


class TokenRows:
    """The rows of responses, in `results/.shifts`: files of some thousand rows, each whole or not there.

    `key` identifies everything but a response's own states and tokens. Deleting the folder costs work and no more.
    """

    def __init__(self, results: Path, key: object) -> None:
        self._folder = results / ".shifts" / digest([key, VERSION])[:32]
        self._read = lru_cache(maxsize=OPEN)(pq.read_table)
        self._place: dict[str, tuple[Path, int, int]] = {}  # file of a response, and its rows there
        for file in sorted(self._folder.glob("[!.]*.parquet")):
            with undamaged(file):
                contents = pq.read_table(file, columns=[CONTENT])[CONTENT].to_numpy()
            starts = np.flatnonzero(np.append(True, contents[1:] != contents[:-1])).tolist()
            stops = [*starts[1:], len(contents)]
            self._add(file, contents[starts].tolist(), np.subtract(stops, starts).tolist())

    def __contains__(self, content: str) -> bool:
        return content in self._place

    def put(self, contents: Sequence[str], lengths: Sequence[int], rows: pd.DataFrame) -> None:
        """Keep the `rows` of responses with these `contents`, `lengths` of them each, in this order."""
        part = rows.assign(**{CONTENT: np.repeat(np.array(contents, dtype=object), lengths)})
        file = self._folder / f"{digest(list(contents))[:32]}.parquet"
        write_table(part, file)
        self._add(file, contents, lengths)

    def get(self, contents: Iterable[str]) -> pd.DataFrame:
        """The rows of all these responses, one after the other; at least one."""
        places = [self._place[content] for content in contents]
        parts = [self._read(file).slice(start, length) for file, start, length in places]
        return pa.concat_tables(parts).drop_columns(CONTENT).to_pandas()

    def _add(self, file: Path, contents: Iterable[str], lengths: Iterable[int]) -> None:
        start = 0
        for content, length in zip(contents, lengths, strict=True):
            self._place[content] = file, start, length
            start += length


def tensor_digest(*parts: torch.Tensor) -> str:
    """What a response is kept under: the digest of its states on both sides and its tokens, to the bit."""
    found = sha256()
    for part in parts:
        found.update(str((part.dtype, tuple(part.shape))).encode())
        found.update(part.contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
