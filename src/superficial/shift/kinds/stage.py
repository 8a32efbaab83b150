"""The kinds stage: one kind for every row of the token table."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import parquet_file, read_table, write_parts
from superficial.config.schema import Nothing, RuntimeConfig
from superficial.inference.finish_reason import EOS
from superficial.shift.kinds.classify import KINDS, classify

COLUMNS = ["example_id", "position", "token"]
BATCH = 1 << 16  # rows in memory at a time


def run(cfg: Nothing, runtime: RuntimeConfig, *, shifts: Path, responses: Path, out: Path) -> None:
    """Write example_id, position and kind (a categorical over KINDS) of every token, in the order of the table."""
    started = time.monotonic()
    answers = read_table(responses, ["id", "finish_reason"])
    ended = dict(zip(answers["id"], answers["finish_reason"] == EOS, strict=True))
    ids = pd.CategoricalDtype(sorted(_ids(shifts)))
    write_parts((_classified(part, ended, ids) for part in whole_responses(shifts)), out)
    inputs = {"shifts": shifts, "responses": responses}
    facts = {"tokens": pq.read_metadata(out).num_rows}
    write_sidecar(out, stage="kinds", config={}, inputs=inputs, started=started, facts=facts)


def _ids(shifts: Path) -> set[str]:
    """The ids of all responses."""
    found: set[str] = set()
    for batch in parquet_file(shifts).iter_batches(BATCH, columns=["example_id"]):
        found.update(batch.column(0).unique().to_pylist())
    return found


def _classified(rows: pa.Table, ended: dict[str, bool], ids: "pd.CategoricalDtype[Any]") -> pd.DataFrame:
    """Rows of whole responses with the kind of each token; where a response `ended`, its last token closes the turn."""
    position, tokens = rows["position"].to_numpy(), rows["token"].to_pylist()
    starts = np.flatnonzero(position == 0)
    names = rows["example_id"].take(pa.array(starts)).to_pylist()
    lengths = np.diff(starts, append=len(position))
    kinds: list[str] = []
    for name, start, length in zip(names, starts.tolist(), lengths.tolist(), strict=True):
        kinds += classify(tokens[start : start + length], ended=ended[name])
    examples = pd.Categorical.from_codes(np.repeat(pd.Categorical(names, dtype=ids).codes, lengths), dtype=ids)
    return pd.DataFrame({"example_id": examples, "position": position, "kind": pd.Categorical(kinds, categories=KINDS)})


def whole_responses(shifts: Path) -> Iterator[pa.Table]:
    """The COLUMNS of all responses in turn, about a BATCH of rows at a time; none is cut."""
    rest: list[pa.RecordBatch] = []
    for batch in parquet_file(shifts).iter_batches(BATCH, columns=COLUMNS):
        starts = np.flatnonzero(batch["position"].to_numpy() == 0)
        if len(starts):
            last = int(starts[-1])
            if rest or last:
                yield pa.Table.from_batches([*rest, batch.slice(0, last)])
            rest, batch = [], batch.slice(last)
        rest.append(batch)
    yield pa.Table.from_batches(rest)
