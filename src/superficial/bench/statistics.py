"""Statistics of ten million token rows: seconds, rows a second and peak memory of the real stage in its own process.

The rows are synthetic and have every column of a real token table, the lists of candidates included: the stage must
not read those.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from superficial.bench.table import Note
from superficial.config.schema import StatsConfig
from superficial.inference.finish_reason import EOS, LENGTH
from superficial.shift.category import CATEGORIES, category_index
from superficial.shift.kinds.classify import KINDS

EXAMPLES, ROWS = 33_000, 10_000_000
GROUP = 500_000  # rows written at a time
VOCABULARY, TOP = 262_144, 10
COMMON = 1000  # tokens that are candidates
LONGEST = 2048  # tokens
CFG = StatsConfig(resamples=1000, confidence=0.95, seed=0, top_tokens=20, min_occurrences=10)
RUNTIME = '{"device":"cpu","generate_batch":1,"score_tokens":1,"position_chunk":1}'
TABLES = ("ratios", "positions", "tokens", "kinds", "groups", "clusters", "summary")


def main(note: Note) -> None:
    """Write the files (not timed), run `python -m superficial stats` over them, and tell what it took."""
    with tempfile.TemporaryDirectory(prefix="superficial-bench-") as name:
        folder = Path(name)
        files = write_tables(folder, EXAMPLES, ROWS)
        size = files["shifts"].stat().st_size
        started = time.perf_counter()
        subprocess.run(command(folder, files), check=True)
        seconds = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    note("rows of tokens", ROWS, f"{CFG.resamples:,} resamples")
    note("file of the rows", size / 1e9, "GB")
    note("wall time", seconds, "s")
    note("processor time", used.ru_utime + used.ru_stime, "s")
    note("rate", ROWS / seconds, "rows/s")
    note("peak memory", used.ru_maxrss / 2**20, "GiB")


def command(folder: Path, files: dict[str, Path]) -> list[str]:
    """The stage as the workflow calls it."""
    named = [f"{name}={path}" for name, path in files.items()]
    out = [str(folder / f"{table}.csv") for table in TABLES]
    given = ["--cfg", CFG.model_dump_json(), "--runtime", RUNTIME, *named, f"out={out[0]}", *out[1:]]
    return [sys.executable, "-m", "superficial", "stats", *given]


def write_tables(folder: Path, examples: int, rows: int) -> dict[str, Path]:
    """Token table, kinds, responses and data, `rows` tokens in all, by the names that the stage gives them."""
    rng = np.random.default_rng(0)
    lengths = response_lengths(rng, examples, rows)
    files = {name: folder / f"{name}.parquet" for name in ("shifts", "token_kinds", "responses", "data")}
    ids = np.array([f"example-{number}" for number in range(examples)])
    example = np.repeat(np.arange(examples), lengths)
    position = (np.arange(rows) - np.repeat(np.cumsum(lengths) - lengths, lengths)).astype(np.int32)
    token = np.minimum(rng.zipf(1.3, rows), VOCABULARY - 1).astype(np.int32)
    texts = pa.array([f" t{number}" for number in range(VOCABULARY)])
    _in_groups(
        files["shifts"], rows, lambda part: shift_rows(rng, ids[example[part]], position[part], token[part], texts)
    )
    _in_groups(files["token_kinds"], rows, lambda part: _kinds(rng, ids[example[part]], position[part]))
    answers = pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), token)
    reasons = np.where(rng.random(examples) < 0.9, EOS, LENGTH)
    pq.write_table(pa.table({"id": ids, "token_ids": answers, "finish_reason": reasons}), files["responses"])
    tags = [[f"tag-{tag}" for tag in {number % 7, number % 5}] for number in range(examples)]
    category = np.where(np.arange(examples) % 5, "regular", "safety")
    pq.write_table(pa.table({"id": ids, "category": category, "tasks": tags, "topics": tags}), files["data"])
    return files


def response_lengths(rng: np.random.Generator, examples: int, rows: int) -> NDArray[np.int64]:
    """Lengths (E,) with a long tail, one of LONGEST where there is room, that sum to `rows`."""
    found = np.clip(rng.gamma(1.5, rows / examples / 1.5, examples), 1, LONGEST).astype(np.int64)
    found[0] = min(LONGEST, rows // 2)
    order = rng.permutation(examples)
    while gap := rows - int(found.sum()):
        some = order[: abs(gap)]
        found[some] = np.clip(found[some] + np.sign(gap), 1, LONGEST)
        order = np.roll(order, 1)
    return found


def _in_groups(path: Path, rows: int, part_of: Callable[[slice], pa.Table]) -> None:
    first = part_of(slice(0, min(GROUP, rows)))
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for start in range(GROUP, rows, GROUP):
            writer.write_table(part_of(slice(start, start + GROUP)))


def shift_rows(
    rng: np.random.Generator,
    ids: NDArray[np.str_],
    position: NDArray[np.int32],
    token: NDArray[np.int32],
    texts: pa.Array,
) -> pa.Table:
    """Rows (N,) of a token table; `texts` (V,) are those of the tokens."""
    size = len(ids)
    rank = np.minimum(rng.zipf(1.8, size), VOCABULARY).astype(np.int32)
    columns = {"example_id": ids, "position": position, "token_id": token, "token": texts.take(pa.array(token))}
    columns |= {"base_rank": rank, "base_prob": rng.random(size, np.float32)}
    columns |= {"aligned_rank": np.ones(size, np.int32), "aligned_prob": rng.random(size, np.float32)}
    for name in ("kl_aligned_base", "kl_base_aligned", "js", "base_entropy", "aligned_entropy"):
        columns[name] = rng.exponential(1, size).astype(np.float32)
    columns["category"] = np.array(CATEGORIES)[category_index(rank)]
    offsets = pa.array(np.arange(0, size * TOP + 1, TOP, dtype=np.int32))
    for side in ("base", "aligned"):
        top = pa.array(rng.integers(0, COMMON, size * TOP, np.int32))
        lists = {"ids": top, "probs": pa.array(rng.random(size * TOP, np.float32)), "tokens": texts.take(top)}
        for name, values in lists.items():
            columns[f"{side}_top_{name}"] = pa.ListArray.from_arrays(offsets, values)
    return pa.table(columns)


def _kinds(rng: np.random.Generator, ids: NDArray[np.str_], position: NDArray[np.int32]) -> pa.Table:
    kind = pa.DictionaryArray.from_arrays(rng.integers(0, len(KINDS), len(ids)).astype(np.int8), list(KINDS))
    return pa.table({"example_id": pa.array(ids).dictionary_encode(), "position": position, "kind": kind})
