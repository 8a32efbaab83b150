"""The table of definitions: the headline numbers, and how far each other definition moves them."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.printed import write_forms
from superficial.config.schema import DefinitionsTable, RuntimeConfig
from superficial.shift.category import CATEGORIES
from superficial.shift.definitions.names import HEADLINE, VARIANTS
from superficial.shift.statistics.bootstrap import Bootstrap, Floats
from superficial.shift.statistics.token_table import TokenTable
from superficial.views.tables.definitions_layout import latex, markdown
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="Table: the paper's definitions and the published code's",
    text="The shares, mean KL and mean base probability under each definition, one change at a time.",
    slice="definitions_table",
    reads=["results/shifts/{dataset}/{pair}/{context}.definitions.parquet"],
    part_of=[],  # two more passes of each base model
)

MEASURES = (*CATEGORIES, "kl", "base_prob")
COLUMNS = ["position", "counted", "base_rank", "base_prob", "kl_aligned_base"]  # that they are made from


def run(cfg: DefinitionsTable, runtime: RuntimeConfig, *, results: Path, out: list[Path]) -> None:
    """Write the table as CSV, Markdown and LaTeX, all from the same rows."""
    started = time.monotonic()
    inputs = {
        pair.name: results / "shifts" / cfg.dataset / pair.name / f"{cfg.context}.definitions.parquet"
        for pair in cfg.pairs
    }
    parts = []
    for name, path in inputs.items():
        parts.append(definitions(VariantTables(path), cfg))
        parts[-1].insert(0, "pair", name)
    table = pd.concat(parts, ignore_index=True)
    write_forms(table, {".md": lambda: markdown(table, cfg), ".tex": lambda: latex(table, cfg)}, out)
    facts = {"tokens": int(table["tokens"].max())}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="tables/definitions", config=config, inputs=inputs, started=started, facts=facts)


class VariantTables(Mapping[str, pd.DataFrame]):
    """The rows of each variant in a file; they are read when they are asked for, and not kept."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __getitem__(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self._path, columns=COLUMNS, filters=[("variant", "==", name)])

    def __iter__(self) -> Iterator[str]:
        return iter(VARIANTS)

    def __len__(self) -> int:
        return len(VARIANTS)


def definitions(tables: Mapping[str, pd.DataFrame], cfg: DefinitionsTable) -> pd.DataFrame:
    """One row for each variant: tokens and examples that it counts, kl_negative, and for each measure six columns.

    `{measure}`, `_low` and `_high` are the value with its interval, `_difference`, `_difference_low` and
    `_difference_high` what it is above the headline. Measures: shares of the three categories, `kl` (mean
    KL(aligned || base), nats) and `base_prob` (mean), all pooled over tokens. `kl_negative` is the share of tokens
    whose KL is below 0, which no KL divergence can be.
    """
    sums, negative = {}, {}
    for name in VARIANTS:
        frame = tables[name]
        sums[name] = _sums(TokenTable.of(frame))
        negative[name] = float((frame["kl_aligned_base"] < 0)[frame["counted"]].mean())
    bootstrap = Bootstrap.over(len(sums[HEADLINE][1]), cfg)
    rows = []
    for name, (numerators, tokens) in sums.items():
        totals = np.repeat(tokens, len(MEASURES), axis=1)
        columns = dict(zip(("", "_low", "_high"), bootstrap.ratio(numerators, totals), strict=True))
        change = difference((numerators, totals), (sums[HEADLINE][0], sums[HEADLINE][1]), bootstrap)
        names = ("_difference", "_difference_low", "_difference_high")
        columns |= dict(zip(names, change, strict=True))
        row = {"variant": name, "tokens": int(tokens.sum()), "examples": int((tokens > 0).sum())}
        row["kl_negative"] = negative[name]
        rows.append(
            row | {f"{key}{end}": column[at] for at, key in enumerate(MEASURES) for end, column in columns.items()}
        )
    return pd.DataFrame(rows)


def difference(
    one: tuple[Floats, Floats], other: tuple[Floats, Floats], bootstrap: Bootstrap
) -> tuple[Floats, Floats, Floats]:
    """Ratio of sums of `one` less that of `other`, each (E, M) / (E, M or 1) -> estimate, low, high, each (M,).

    Both are resampled with the same draws of examples, so what they share cancels.
    """
    estimate = one[0].sum(axis=0) / one[1].sum(axis=0) - other[0].sum(axis=0) / other[1].sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = [(bootstrap.weights @ above) / (bootstrap.weights @ below) for above, below in (one, other)]
    low, high = np.nanquantile(draws[0] - draws[1], [bootstrap.tail, 1 - bootstrap.tail], axis=0)
    return estimate, low, high


def _sums(table: TokenTable) -> tuple[Floats, Floats]:
    """Sums of the MEASURES (E, 5) and number (E, 1) of the counted tokens, by example."""
    counted = table.column("counted").astype(np.float64)
    one = np.zeros_like(table.example)
    means = [table.sums(one, 1, counted * table.column(name)) for name in ("kl_aligned_base", "base_prob")]
    shares = table.sums(table.category, len(CATEGORIES), counted)
    return np.hstack([shares, *means]), table.sums(one, 1, counted)
