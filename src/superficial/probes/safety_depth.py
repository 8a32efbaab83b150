"""How deep safety goes: the shift by position for harmful against regular instructions."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import IntervalsConfig, RuntimeConfig
from superficial.shift.category import CATEGORIES
from superficial.shift.statistics.bootstrap import Bootstrap, Floats
from superficial.shift.statistics.token_table import TokenTable

GROUPS = ("regular", "safety")
DIFFERENCE = "safety - regular"


def run(cfg: IntervalsConfig, runtime: RuntimeConfig, *, shifts: Path, data: Path, out: Path) -> None:
    """Write the curves to `out`."""
    started = time.monotonic()
    table = TokenTable.open(shifts)
    write_table(safety_depth(table, read_table(data, ["id", "category"]), Bootstrap.over(table.examples, cfg)), out)
    config = cfg.model_dump(mode="json")
    inputs = {"shifts": shifts, "data": data}
    write_sidecar(out, stage="safety_depth", config=config, inputs=inputs, started=started, facts={})


def safety_depth(table: TokenTable, data: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """One row for each measure, group and bin of positions: first and last position, mean, low, high, examples.

    Bins double: 0, 1, 2 to 3, 4 to 7 and so on. `kl` (aligned||base, nats) and `shifted` are means over the tokens of
    the bin; `kl_share` is the share of all KL of the group that is spent by the end of the bin. The group
    `safety - regular` holds differences, with the fewer of both groups' examples. Every group is resampled with the
    run's own draws.
    """
    kinds = data.set_index("id").loc[table.ids, "category"].to_numpy()
    member = np.array([kinds == group for group in GROUPS], dtype=np.float64).T[:, :, None]  # (E, 2, 1)
    size = int(doubling(table.lengths.max(keepdims=True) - 1)[0]) + 1
    sums = table.by_example(lambda part: _sums(part, size))
    counts, kl, shifted = (member * sums[:, at, None] for at in range(3))  # (E, 2, bins)
    whole = kl.sum(axis=2, keepdims=True)
    examples = (counts > 0).sum(axis=0)
    first = np.append(0, 2 ** np.arange(size - 1))
    last = 2 ** np.arange(size) - 1
    parts = []
    for measure, above, below in (
        ("kl", kl, counts), ("shifted", shifted, counts), ("kl_share", kl.cumsum(axis=2), whole),
    ):  # fmt: skip
        mean, low, high = bootstrap.ratio(above, below)  # each (2, bins)
        apart = _apart(above, below, bootstrap)
        for at, group in enumerate((*GROUPS, DIFFERENCE)):
            values = (mean[at], low[at], high[at]) if group in GROUPS else apart
            columns = {"measure": measure, "group": group, "first": first, "last": last}
            columns |= dict(zip(("mean", "low", "high"), values, strict=True))
            columns |= {"examples": examples[at] if group in GROUPS else examples.min(axis=0)}
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _sums(table: TokenTable, size: int) -> Floats:
    """Tokens, their KL and how many are shifted, by example and bin, (E, 3, size)."""
    bins = doubling(table.position)
    shifted = table.category == CATEGORIES.index("shifted")
    weights = (None, table.column("kl_aligned_base"), shifted)
    return np.stack([table.sums(bins, size, one) for one in weights], axis=1)


def doubling(position: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Bin of each position.

    >>> doubling(np.array([0, 1, 2, 3, 4, 7, 8])).tolist()
    [0, 1, 2, 2, 3, 3, 4]
    """
    return np.ceil(np.log2(position.astype(np.float64) + 1)).astype(np.int64)


def _apart(above: Floats, below: Floats, bootstrap: Bootstrap) -> tuple[Floats, Floats, Floats]:
    """Difference of the second group's ratio from the first's, from the same draws: estimate, low, high, (bins,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = above.sum(axis=0) / below.sum(axis=0)  # (2, bins)
        draws = bootstrap.sums(above) / bootstrap.sums(below)  # (R, 2, bins)
    return means[1] - means[0], *bootstrap.interval(draws[:, 1] - draws[:, 0])
