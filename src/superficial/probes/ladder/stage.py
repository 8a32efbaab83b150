"""The ladder stage: what each stage of training changes, from one token table each."""

import time
from collections.abc import Sequence
from pathlib import Path

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import IntervalsConfig, RuntimeConfig
from superficial.config.schema.ladder import ALIGNED, BASE
from superficial.probes.contexts.grouping import groupings
from superficial.probes.contexts.stage import same_tokens
from superficial.probes.ladder.steps import ladder
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.token_table import TokenTable


def run(
    cfg: IntervalsConfig,
    runtime: RuntimeConfig,
    *,
    base: Path,
    stages: Path | Sequence[Path],
    token_kinds: Path,
    data: Path,
    out: Path,
) -> None:
    """Write the table of `ladder`.

    `base` is the base's token table, `stages` are those of the stages of training, in folders PAIR.STAGE.
    """
    started = time.monotonic()
    table = TokenTable.open(base).beside({"kind": TokenTable.open(token_kinds)})
    paths = {stage_of(path): path for path in ([stages] if isinstance(stages, Path) else stages)}
    between = {name: same_tokens(table, TokenTable.open(path), path) for name, path in paths.items()}
    groups = groupings(table, read_table(data))
    write_table(ladder(table, between, groups, Bootstrap.over(table.examples, cfg)), out)
    inputs = {"base": base, "kinds": token_kinds, "data": data} | paths
    facts = {"rungs": [BASE, *between, ALIGNED], "tokens": int(table.lengths.sum())}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="ladder", config=config, inputs=inputs, started=started, facts=facts)


def stage_of(path: Path) -> str:
    """Name of the stage whose token table this is.

    >>> stage_of(Path("results/shifts/demo/gemma3_270m.early/aligned.parquet"))
    'early'
    """
    return path.parent.name.split(".")[1]
