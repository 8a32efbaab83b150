"""The kinds stage: one kind for every row of the token table."""

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import parquet_file, read_table, write_table
from superficial.config.schema import Nothing, RuntimeConfig
from superficial.inference.finish_reason import EOS
from superficial.shift.kinds.classify import KINDS, classify

COLUMNS = ["example_id", "position", "token"]
BATCH = 1 << 16  # rows read at a time


def run(cfg: Nothing, runtime: RuntimeConfig, *, shifts: Path, responses: Path, out: Path) -> None:
    """Write example_id, position and kind (a categorical over KINDS) of every token, in the order of the table."""
    started = time.monotonic()
    answers = read_table(responses, ["id", "finish_reason"])
    ended = dict(zip(answers["id"], answers["finish_reason"] == EOS, strict=True))
    table = pd.concat([token_kinds(part, ended[name]) for name, part in by_example(shifts)], ignore_index=True)
    table["example_id"] = table["example_id"].astype("category")
    write_table(table, out)
    inputs = {"shifts": shifts, "responses": responses}
    write_sidecar(out, stage="kinds", config={}, inputs=inputs, started=started, facts={"tokens": len(table)})


def token_kinds(response: pd.DataFrame, ended: bool) -> pd.DataFrame:
    """Rows of one response with the kind of each in place of its token; `ended`: the last one closes the turn."""
    found = classify(response["token"].tolist(), ended=ended)
    return response[["example_id", "position"]].assign(kind=pd.Categorical(found, categories=KINDS))


def by_example(shifts: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """The COLUMNS of each response in turn, a batch of rows in memory at a time."""
    rest = pd.DataFrame(columns=COLUMNS)
    for batch in parquet_file(shifts).iter_batches(BATCH, columns=COLUMNS):
        rest = pd.concat([rest, batch.to_pandas()], ignore_index=True) if len(rest) else batch.to_pandas()
        starts = np.flatnonzero(rest["position"] == 0)
        for start, stop in pairwise(starts):
            yield str(rest["example_id"].iloc[start]), rest.iloc[start:stop]
        rest = rest.iloc[starts[-1] :] if len(starts) else rest
    yield str(rest["example_id"].iloc[0]), rest
