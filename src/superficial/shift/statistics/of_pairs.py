"""One table of the statistics for all pairs of a run."""

from pathlib import Path

import pandas as pd

from superficial.artifacts.table import read_table
from superficial.config.schema import FigureStage, PairsTable


def files_of_pairs(cfg: FigureStage | PairsTable, results: Path, table: str) -> dict[str, Path]:
    """Where the table of each pair lies, by the pair's name."""
    folder = results / "stats" / cfg.dataset
    return {pair.name: folder / pair.name / cfg.context / f"{table}.csv" for pair in cfg.pairs}


def of_pairs(cfg: FigureStage | PairsTable, results: Path, table: str) -> pd.DataFrame:
    """The tables of all pairs as one; the first column is the pair's name."""
    parts = []
    for name, path in files_of_pairs(cfg, results, table).items():
        parts.append(read_table(path))
        parts[-1].insert(0, "pair", name)
    return pd.concat(parts, ignore_index=True)
