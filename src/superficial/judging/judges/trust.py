"""The trust stage: what is known about a judge, measured on the judge itself."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import RuntimeConfig
from superficial.config.schema.judge import TrustStage
from superficial.judging.judges.agreement import agreement
from superficial.judging.judges.aspects import HIGHEST, LOWEST
from superficial.judging.judges.canaries import AGAIN, NEWLINE, ORIGINAL
from superficial.judging.judges.pairwise import GIVEN, SWAPPED
from superficial.shift.statistics.bootstrap import Bootstrap

COLUMNS = ["judge", "measure", "variant", "value", "low", "high", "n", "examples", "unscored"]
MOVED = 0.5  # points by which a score must differ to count as another one
Row = dict[str, object]


def run(
    cfg: TrustStage,
    runtime: RuntimeConfig,
    *,
    judgments: Path | list[Path],
    others: Path | list[Path],
    canaries: Path | list[Path],
    pairwise: Path | list[Path],
    published: Path | list[Path],
    out: Path,
) -> None:
    """Write one row for each measure: judge, measure, variant, value, low, high, n, examples, unscored.

    Measures: `unscored` and `commonest` (share of scores that are, rounded, the most frequent one), `moved` (share of
    scores that a variant changed by MOVED or more) and `shift` (by how much on average), `first` (share of verdicts
    for the response shown first, ties left out), `orders_agree`, `agreement` (weighted kappa) and `same` (share of
    scores that differ by less than MOVED) with another judge: those of `others`, and each one of the `published`
    judgments. n counts scores or verdicts, `examples` the instructions or responses that were resampled.
    """
    started = time.monotonic()
    given = {"judgments": judgments, "others": others, "canaries": canaries, "pairwise": pairwise}
    given |= {"published": published}
    files = {name: _paths(paths) for name, paths in given.items()}
    own = _systems(files["judgments"], cfg.systems)
    rows = [*_scores(own, cfg)]
    if files["canaries"]:
        rows += _changes(_together(files["canaries"]), cfg)
    if files["pairwise"]:
        rows += _orders(_together(files["pairwise"]), cfg)
    for number, name in enumerate(cfg.others):
        part = files["others"][number * len(cfg.systems) : (number + 1) * len(cfg.systems)]
        rows += _beside(own, _systems(part, cfg.systems), name, cfg)
    for path in files["published"] if len(own) else []:
        theirs = read_table(path)
        theirs = theirs.assign(example=theirs["system"] + "/" + theirs["id"])
        for name, found in theirs[theirs["system"].isin(cfg.systems)].groupby("judge", sort=False):
            rows += _beside(own, found, str(name), cfg)
    table = pd.DataFrame(rows, columns=COLUMNS).assign(judge=cfg.judge)
    write_table(table, out)
    inputs = {str(path): path for paths in files.values() for path in paths}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="trust", config=config, inputs=inputs, started=started, facts={"measures": len(table)})


def _paths(given: Path | list[Path]) -> list[Path]:
    return [given] if isinstance(given, Path) else given


def _systems(files: Sequence[Path], systems: Sequence[str]) -> pd.DataFrame:
    """Judgments of all systems; an example is one response."""
    if not files:
        return pd.DataFrame(columns=["id", "aspect", "score", "example"])
    parts = [read_table(path).assign(system=system) for path, system in zip(files, systems, strict=True)]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(example=table["system"] + "/" + table["id"])


def _together(files: Sequence[Path]) -> pd.DataFrame:
    """Tables one below the other; an example is one instruction of one file."""
    parts = [read_table(path).assign(file=str(number)) for number, path in enumerate(files)]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(example=table["file"] + "/" + table["id"])


def _scores(table: pd.DataFrame, cfg: TrustStage) -> list[Row]:
    if table.empty:
        return []
    missing = table["score"].isna()
    known = table[~missing]
    rows = [_mean("unscored", "", table["example"], missing, 0, cfg)]
    if len(known):
        rounded = known["score"].round()
        commonest = rounded.mode().iloc[0]
        rows.append(_mean("commonest", f"{commonest:g}", known["example"], rounded == commonest, 0, cfg))
    return rows


def _changes(table: pd.DataFrame, cfg: TrustStage) -> list[Row]:
    """What each variant did to the scores of the originals."""
    keys = ["example", "aspect"]
    before = table[table["variant"] == ORIGINAL].set_index(keys)["score"]
    names = [name for name in table["variant"].unique() if name != ORIGINAL]
    rows = []
    for name in sorted(names, key=lambda name: (name not in (AGAIN, NEWLINE), names.index(name))):
        after = table[table["variant"] == name].set_index(keys)["score"]
        change = (after - before.reindex(after.index)).reset_index()
        known = change[change["score"].notna()]
        lost = len(change) - len(known)
        rows.append(_mean("moved", name, known["example"], known["score"].abs() >= MOVED, lost, cfg))
        rows.append(_mean("shift", name, known["example"], known["score"], lost, cfg))
    return rows


def _orders(table: pd.DataFrame, cfg: TrustStage) -> list[Row]:
    """Whether the place in which a response is shown decides."""
    table = table[table["order"].isin([GIVEN, SWAPPED])]
    first = table["order"].map({GIVEN: "a", SWAPPED: "b"})
    decided = table["vote"].isin(["a", "b"])
    lost = int((table["vote"] == "").sum())
    wide = table.pivot(index=["example", "aspect"], columns="order", values="vote").reset_index()
    if not {GIVEN, SWAPPED} <= set(wide.columns):
        return []
    both = wide[(wide[GIVEN] != "") & (wide[SWAPPED] != "")]
    return [
        _mean("first", "", table["example"][decided], (table["vote"] == first)[decided], lost, cfg),
        _mean("orders_agree", "", both["example"], both[GIVEN] == both[SWAPPED], len(wide) - len(both), cfg),
    ]


def _beside(own: pd.DataFrame, other: pd.DataFrame, name: str, cfg: TrustStage) -> list[Row]:
    """Agreement on the responses that both judges scored."""
    shared = own.merge(other, on=["example", "aspect"], suffixes=("", "_other"))
    known = shared[shared["score"].notna() & shared["score_other"].notna()]
    pairs = pd.DataFrame(
        {"id": known["example"], "one": known["score"] - LOWEST, "other": known["score_other"] - LOWEST}
    )
    found: Mapping[str, float] = agreement(pairs, HIGHEST - LOWEST + 1, cfg)
    counts = {"variant": name, "n": int(found["n"]), "examples": known["example"].nunique()}
    counts["unscored"] = len(shared) - len(known)
    kappa = {"measure": "agreement", **{key: found[key] for key in ("value", "low", "high")}, **counts}
    alike = (known["score"] - known["score_other"]).abs() < MOVED
    same = _mean("same", name, known["example"], alike, counts["unscored"], cfg)
    return [kappa, same]


def _mean(
    measure: str, variant: str, examples: "pd.Series[str]", values: "pd.Series[float]", unscored: int, cfg: TrustStage
) -> Row:
    """Mean of `values`, resampled over examples."""
    sums = pd.DataFrame({"example": examples, "value": values.astype(float)}).groupby("example")["value"]
    row: Row = {"measure": measure, "variant": variant, "n": len(values), "examples": len(sums), "unscored": unscored}
    if not len(values):
        return row | dict.fromkeys(("value", "low", "high"), np.nan)
    above, below = (part.to_numpy(float)[:, None] for part in (sums.sum(), sums.count()))
    found = Bootstrap.over(len(above), cfg).ratio(above, below)
    return row | dict(zip(("value", "low", "high"), (float(part[0]) for part in found), strict=True))
