"""The stats stage: tidy tables from one token table."""

import time
from pathlib import Path

from superficial.artifact import write_sidecar
from superficial.schema import RuntimeConfig, StatsConfig
from superficial.stats.bootstrap import Bootstrap
from superficial.stats.frequent import frequent_tokens
from superficial.stats.positions import positions
from superficial.stats.ratios import ratios
from superficial.stats.summary import summary
from superficial.table import read_table, write_table


def run(cfg: StatsConfig, runtime: RuntimeConfig, *, shifts: Path, responses: Path, out: Path) -> None:
    """Write ratios.csv, positions.csv, tokens.csv and summary.csv beside `out`, which is the last of them."""
    started = time.monotonic()
    table, answers = read_table(shifts), read_table(responses)
    bootstrap = Bootstrap.over(len(answers), cfg)
    folder = out.parent
    write_table(ratios(table, bootstrap), folder / "ratios.csv")
    write_table(positions(table, bootstrap), folder / "positions.csv")
    write_table(frequent_tokens(table, cfg.top_tokens), folder / "tokens.csv")
    write_table(summary(table, answers, bootstrap), folder / "summary.csv")
    inputs = {"shifts": shifts, "responses": responses}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="stats", config=config, inputs=inputs, started=started, facts={"tokens": len(table)})
