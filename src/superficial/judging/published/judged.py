"""The published_judged stage: published judgments, and those that judges of this run made of the same responses."""

import time
from itertools import product
from pathlib import Path

import pandas as pd

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import PublishedJudged, RuntimeConfig
from superficial.judging.published.read import JUDGMENT


def run(
    cfg: PublishedJudged, runtime: RuntimeConfig, *, published: Path, judgments: Path | list[Path], out: Path
) -> None:
    """Write one table with the columns of JUDGMENT; `judgments` hold all systems of one judge after another."""
    started = time.monotonic()
    files = [judgments] if isinstance(judgments, Path) else judgments
    theirs = read_table(published)
    for name in cfg.judges:
        if name in set(theirs["judge"]):
            raise UserError(
                "a judge of the published files has this name, too", where=f"judge {name}", remedy="judge.name=OTHER"
            )
    ours = [
        read_table(path).assign(system=system, judge=judge)
        for path, (judge, system) in zip(files, product(cfg.judges, cfg.systems), strict=True)
    ]
    table = pd.concat([theirs, *ours], ignore_index=True)[list(JUDGMENT)]
    write_table(table, out)
    inputs = {"published": published} | {str(path): path for path in files}
    facts, config = {"judgments": len(table)}, cfg.model_dump(mode="json")
    write_sidecar(out, stage="published_judged", config=config, inputs=inputs, started=started, facts=facts)
