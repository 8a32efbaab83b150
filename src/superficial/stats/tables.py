"""The stats stage: tidy tables from one token table."""

import time
from pathlib import Path

from superficial.artifact import write_sidecar
from superficial.schema import RuntimeConfig, StatsConfig
from superficial.stats.bootstrap import Bootstrap
from superficial.stats.clusters import clusters
from superficial.stats.frequent import frequent_tokens
from superficial.stats.groups import groups
from superficial.stats.kinds import kinds, token_kinds
from superficial.stats.positions import positions
from superficial.stats.ratios import ratios
from superficial.stats.summary import summary
from superficial.stats.token_table import TokenTable
from superficial.table import read_table, write_table


def run(
    cfg: StatsConfig, runtime: RuntimeConfig, *, shifts: Path, responses: Path, data: Path, out: list[Path]
) -> None:
    """Write the tables, each to the file of `out` that has its name."""
    started = time.monotonic()
    table, answers = TokenTable.open(shifts), read_table(responses)
    bootstrap = Bootstrap.over(table.examples, cfg)
    made = {
        "ratios": lambda: ratios(table, bootstrap),
        "positions": lambda: positions(table, bootstrap),
        "tokens": lambda: frequent_tokens(table, cfg.top_tokens, cfg.min_occurrences),
        "kinds": lambda: kinds(table, token_kinds(table, answers), bootstrap),
        "groups": lambda: groups(table, read_table(data), bootstrap),
        "clusters": lambda: clusters(table, bootstrap),
        "summary": lambda: summary(table, answers, bootstrap),
    }
    for path in out:
        write_table(made[path.stem](), path)
    inputs = {"shifts": shifts, "responses": responses, "data": data}
    facts = {"tokens": int(table.lengths.sum())}
    config = cfg.model_dump(mode="json")
    write_sidecar(out[-1], stage="stats", config=config, inputs=inputs, started=started, facts=facts)
