"""Judgments that others made of these very responses, from files in just-eval's format."""

from collections.abc import Sequence
from math import nan
from pathlib import Path

import pandas as pd

from superficial.artifacts.errors import UserError
from superficial.config.schema.judge import AskedImported
from superficial.judging.judges.aspects import ASPECTS
from superficial.judging.judges.item import Judged
from superficial.judging.judges.parse import Verdict
from superficial.judging.published.read import NOT_JUDGED, read_published

OTHER = "the judgment is of another response"


def imported_scores(
    cfg: AskedImported, system: str, data: pd.DataFrame, texts: dict[str, str]
) -> dict[tuple[str, str], Judged[Verdict]]:
    """Scores by id and aspect of `texts`, the responses of `system` by id.

    A judgment counts only where the response that was judged is the one at hand, spaces aside. Where `cfg.systems`
    names some systems and not this one, and the files do not know it either, all of it is unscored.
    """
    if cfg.source is None:
        raise UserError("it names no folder", where=f"judge {cfg.name}", remedy="judge.source=FOLDER")
    known = cfg.systems.get(system, system)
    # Other instructions in the files are ignored.
    found = read_published(Path(cfg.source), data, partly=True)
    if cfg.systems and system not in cfg.systems and known not in set(found.judgments["system"]):
        nothing = Judged(Verdict(nan, "", NOT_JUDGED), "")
        names = zip(data["id"], data["category"], strict=True)
        return {(name, aspect): nothing for name, category in names for aspect in ASPECTS[category]}
    judged = found.judgments[found.judgments["system"] == known]
    judges = sorted(set(judged["judge"]))
    chosen = [cfg.judge] if cfg.judge else judges
    if judged.empty or not set(chosen) <= set(judges):
        raise UserError(
            f"no judgments of {known}" + (f" by {cfg.judge}" if cfg.judge and judges else ""),
            where=f"{cfg.source}, judge {cfg.name}",
            remedy=f"set judge.systems or judge.judge; there are {_list(found.judgments['system'])} by {_list(judges)}",
        )
    judged = judged[judged["judge"].isin(chosen)]
    if judged.duplicated(["id", "aspect"]).any():
        raise UserError(
            f"several judges: {', '.join(judges)}",
            where=f"{cfg.source}, judge {cfg.name}",
            remedy="name one in judge.judge",
        )
    answered = found.responses[found.responses["system"] == known]
    theirs = dict(zip(answered["id"], answered["text"], strict=True))
    rows = judged.set_index(["id", "aspect"]).to_dict("index")
    made: dict[tuple[str, str], Judged[Verdict]] = {}
    for name, category in zip(data["id"], data["category"], strict=True):
        for aspect in ASPECTS[category]:
            row = rows.get((name, aspect))
            if row is None:
                made[name, aspect] = Judged(Verdict(nan, "", NOT_JUDGED), "")
            elif theirs.get(name, "").split() != texts[name].split():
                made[name, aspect] = Judged(Verdict(nan, "", OTHER), row["raw"])
            else:
                made[name, aspect] = Judged(Verdict(row["score"], row["reason"], row["unscored"]), row["raw"])
    return made


def _list(names: "Sequence[str] | pd.Series[str]") -> str:
    return ", ".join(sorted(set(names))) or "none"
