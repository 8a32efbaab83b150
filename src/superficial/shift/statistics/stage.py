"""The stats stage: tidy tables from one token table."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import parquet_file, read_table, write_table
from superficial.config.schema import RuntimeConfig, StatsConfig
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.clusters import clusters
from superficial.shift.statistics.frequent import frequent_tokens
from superficial.shift.statistics.groups import GROUPINGS, groups
from superficial.shift.statistics.kinds import kinds
from superficial.shift.statistics.positions import positions
from superficial.shift.statistics.ratios import ratios
from superficial.shift.statistics.summary import summary
from superficial.shift.statistics.token_table import TokenTable

READ = 1024  # responses read at a time


def run(
    cfg: StatsConfig,
    runtime: RuntimeConfig,
    *,
    shifts: Path,
    token_kinds: Path,
    responses: Path,
    data: Path,
    out: list[Path],
) -> None:
    """Write the tables, each to the file of `out` that has its name."""
    started = time.monotonic()
    table = TokenTable.open(shifts).beside({"kind": TokenTable.open(token_kinds)})
    answers = parquet_file(responses).iter_batches(READ, columns=["id", "token_ids", "finish_reason"])
    bootstrap = Bootstrap.over(table.examples, cfg)
    made = {
        "ratios": lambda: ratios(table, bootstrap),
        "positions": lambda: positions(table, bootstrap),
        "tokens": lambda: frequent_tokens(table, cfg.top_tokens, cfg.min_occurrences, bootstrap),
        "kinds": lambda: kinds(table, bootstrap),
        "groups": lambda: groups(table, read_table(data, ["id", *GROUPINGS]), bootstrap),
        "clusters": lambda: clusters(table, bootstrap),
        "summary": lambda: summary(table, (part.to_pandas() for part in answers), bootstrap),
    }
    # The curves by position take about as long as all others; numpy lets go of the interpreter while it works.
    with ThreadPoolExecutor(2) as pool:
        for path, found in zip(out, pool.map(lambda path: made[path.stem](), out), strict=True):
            write_table(found, path)
    inputs = {"shifts": shifts, "kinds": token_kinds, "responses": responses, "data": data}
    facts = {"tokens": int(table.lengths.sum())}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="stats", config=config, inputs=inputs, started=started, facts=facts)
