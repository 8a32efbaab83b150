"""The contexts stage: what further contexts of the base do to the shift, from one token table each."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import IntervalsConfig, RuntimeConfig
from superficial.probes.contexts.entropy import uncertainty
from superficial.probes.contexts.grouping import groupings
from superficial.probes.contexts.recovery import recovery
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.groups import GROUPINGS
from superficial.shift.statistics.token_table import TokenTable


def run(
    cfg: IntervalsConfig,
    runtime: RuntimeConfig,
    *,
    reference: Path,
    others: Path | Sequence[Path],
    token_kinds: Path,
    data: Path,
    out: list[Path],
) -> None:
    """Write the tables of `recovery` and of `uncertainty`, in this order.

    `reference` is the token table of the base's own context, `others` are those of further ones, named by their files.
    """
    started = time.monotonic()
    table = TokenTable.open(reference).beside({"kind": TokenTable.open(token_kinds)})
    paths = [others] if isinstance(others, Path) else list(others)
    further = {path.stem: same_tokens(table, TokenTable.open(path), path) for path in paths}
    bootstrap = Bootstrap.over(table.examples, cfg)
    groups = groupings(table, read_table(data, ["id", *GROUPINGS]))
    first = (reference.stem, table)
    write_table(recovery(first, further, groups, bootstrap), out[0])
    write_table(uncertainty(first, further, bootstrap), out[1])
    inputs = {"reference": reference, "kinds": token_kinds, "data": data} | {path.stem: path for path in paths}
    facts = {"contexts": [reference.stem, *further], "tokens": int(table.lengths.sum())}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="contexts", config=config, inputs=inputs, started=started, facts=facts)


def same_tokens(reference: TokenTable, other: TokenTable, path: Path) -> TokenTable:
    """`other`, whose rows must be those of `reference`: contexts are compared token by token."""
    same = np.array_equal(reference.starts, other.starts) and reference.size == other.size
    if not same or any(
        not np.array_equal(one.column("token_id"), part.column("token_id"))
        for one, part in zip(reference.parts(), other.parts(), strict=True)
    ):
        raise UserError(
            "it is about other responses than the base's own context",
            where=str(path),
            remedy="delete it and run the same command again",
        )
    return other
