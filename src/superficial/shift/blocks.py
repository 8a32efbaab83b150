"""Responses a few at a time, as many as have some thousand tokens."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from superficial.artifacts.table import parquet_file

TOKENS = 8192  # in memory at a time, but for a single response that is longer
READ = 64  # responses read at a time


def blocks(responses: Path, tokens: int = TOKENS) -> Iterator[pd.DataFrame]:
    """The columns id and token_ids of all responses in turn, at most so many `tokens` at a time; none is empty."""
    for batch in parquet_file(responses).iter_batches(READ, columns=["id", "token_ids"]):
        table = batch.to_pandas()
        lengths = table["token_ids"].map(len).to_numpy()
        table, lengths = table[lengths > 0], lengths[lengths > 0]
        start = 0
        while start < len(table):
            fit = np.searchsorted(np.cumsum(lengths[start:]), tokens, side="right")
            stop = start + max(int(fit), 1)
            yield table.iloc[start:stop]
            start = stop
