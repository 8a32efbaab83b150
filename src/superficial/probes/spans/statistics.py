"""The span_stats stage: what the spans of one pair say, with intervals, and how many of them have exact ranks."""

import time
from collections.abc import Iterator
from math import log
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import IntervalsConfig, RuntimeConfig
from superficial.probes.spans.table import END, LEFT_OUT, TEXT
from superficial.shift.category import CATEGORIES, category_index
from superficial.shift.statistics.bootstrap import Bootstrap, Floats

EDGES = (0, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)  # bytes: where the bins by position begin

Values = NDArray[np.generic]


def run(cfg: IntervalsConfig, runtime: RuntimeConfig, *, spans: Path, out: Path) -> None:
    """Write the table of `statistics` to `out`."""
    started = time.monotonic()
    write_table(statistics(read_table(spans), cfg), out)
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="span_stats", config=config, inputs={"spans": spans}, started=started, facts={})


def statistics(table: pd.DataFrame, cfg: IntervalsConfig) -> pd.DataFrame:
    """Rows (measure, of, first, last, value, low, high, count, examples); `count` is how many of `of` there are.

    - `base_bits`, `aligned_bits` (bits per byte) and `difference` (log-probability in nats per byte, aligned less
      base) of text, in all and by the byte at which a span starts: first and last one of the bin, -1 in all;
    - the same per end of turn, of `ends of turn`;
    - `compared`: share of the aligned model's tokens that are in a span;
    - `one_token`, `valid`: shares of spans, text bytes, and tokens of either side;
    - `unshifted`, `marginal`, `shifted`: shares of the spans that are valid, and of all. A rank far down is valid less
      often than a first one, so shares of valid spans lean towards unshifted; shares of all are lower bounds.
    """
    examples = pd.factorize(table["example_id"])[0]
    sums = _Sums(table, examples, Bootstrap.over(int(examples.max()) + 1, cfg))
    return pd.concat(list(sums.rows()), ignore_index=True)


class _Sums:
    """Sums by example over the rows of a table of spans."""

    def __init__(self, table: pd.DataFrame, examples: NDArray[np.int64], bootstrap: Bootstrap) -> None:
        self._table, self._examples, self._bootstrap = table, examples, bootstrap

    def rows(self) -> Iterator[pd.DataFrame]:
        table, part = self._table, self._table["part"].to_numpy()
        text, end, used = part == TEXT, part == END, part != LEFT_OUT
        size = (table["end"] - table["start"]).to_numpy()
        base, aligned = (table[f"{side}_logprob"].fillna(0).to_numpy(dtype=np.float64) for side in ("base", "aligned"))
        surprise = {"base_bits": -base / log(2), "aligned_bits": -aligned / log(2), "difference": aligned - base}
        bins = np.searchsorted(EDGES, table["start"].to_numpy(), side="right") - 1
        for measure, values in surprise.items():
            yield self._row(measure, "bytes", values * text, size)
            for at in range(int(bins.max()) + 1):
                here = text & (bins == at)
                last = EDGES[at + 1] - 1 if at + 1 < len(EDGES) else -1
                yield self._row(measure, "bytes", values * here, size * here).assign(first=EDGES[at], last=last)
            if end.any():
                yield self._row(measure, "ends of turn", values * end, end)
        tokens = {side: table[f"{side}_tokens"].to_numpy() for side in ("base", "aligned")}
        yield self._row("compared", "aligned tokens", tokens["aligned"] * used, tokens["aligned"])
        everything = {"spans": used, "bytes": size}
        everything |= {f"{side} tokens": count * used for side, count in tokens.items()}
        for measure in ("one_token", "valid"):
            flags = table[measure].to_numpy(dtype=bool)
            for of, weights in everything.items():
                yield self._row(measure, of, weights * flags, weights)
        valid = table["valid"].to_numpy(dtype=bool)
        index = category_index(table["base_rank"].fillna(0).to_numpy(dtype=np.int64))
        for at, category in enumerate(CATEGORIES):
            for of, weights in {"valid spans": valid, "spans": used}.items():
                yield self._row(category, of, valid & (index == at), weights)

    def _row(self, measure: str, of: str, values: Values, weights: Values) -> pd.DataFrame:
        above, below = self._by_example(values), self._by_example(weights)
        value, low, high = self._bootstrap.ratio(above, below)
        counts = {"count": int(below.sum()), "examples": int((below > 0).sum())}
        columns = {"measure": measure, "of": of, "first": -1, "last": -1, "value": value, "low": low, "high": high}
        return pd.DataFrame(columns | counts)

    def _by_example(self, values: Values) -> Floats:
        """Sums (E, 1) of `values` (N,)."""
        found: Floats = np.bincount(self._examples, weights=values.astype(np.float64))[:, None].astype(np.float64)
        return found
