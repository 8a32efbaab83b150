"""The judged stage: tidy statistics of all judgments by one judge, or of the published ones."""

import time
from pathlib import Path

import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import JudgedStage, RuntimeConfig
from superficial.judging.scores.statistics import count_na, score_table


def run(
    cfg: JudgedStage,
    runtime: RuntimeConfig,
    *,
    judgments: Path | list[Path],
    responses: Path | list[Path],
    data: Path,
    out: Path,
) -> None:
    """Write one table for all systems; the files stand in the order of `cfg.systems`."""
    started = time.monotonic()
    files = [judgments] if isinstance(judgments, Path) else judgments
    answers = [responses] if isinstance(responses, Path) else responses
    scores = count_na(join_judges(_named(files, cfg, ["id", "aspect", "score", "unscored"])), as_five=cfg.na_as_five)
    table = score_table(scores, _named(answers, cfg, ["id", "text", "thinking"]), read_table(data), cfg)
    write_table(table, out)
    inputs = {str(path): path for path in (*files, *answers, data)}
    facts = {"judgments": len(scores), "unscored": int(scores["score"].isna().sum())}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="judged", config=config, inputs=inputs, started=started, facts=facts)


def _named(files: list[Path], cfg: JudgedStage, columns: list[str]) -> pd.DataFrame:
    """All rows of `files` with the system and the judge that each is about, and those of `columns` that are there."""
    if not cfg.systems:
        return pd.concat([read_table(path) for path in files], ignore_index=True)
    parts = [
        read_table(path).filter(columns).assign(system=system, judge=cfg.judge)
        for path, system in zip(files, cfg.systems, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def join_judges(judgments: pd.DataFrame) -> pd.DataFrame:
    """Judges that share the aspects of a system between them become one, named after all ("gpt-4 + chatgpt").

    The paper's Table 1 is such a case: GPT-4 scored five aspects, ChatGPT safety. Judges that overlap stay apart, and
    one of all aspects needs no other.
    """
    names: dict[tuple[str, str], str] = {}
    for system, found in judgments.groupby("system", sort=False):
        aspects = found.groupby("judge", sort=False)["aspect"].unique()
        parts = aspects[aspects.map(len) < found["aspect"].nunique()]
        disjoint = sum(map(len, parts)) == len(set().union(*parts))
        names |= {(system, judge): judge for judge in aspects.index}
        names |= {(system, judge): " + ".join(parts.index) for judge in parts.index if disjoint}
    return judgments.assign(judge=[names[key] for key in zip(judgments["system"], judgments["judge"], strict=True)])
