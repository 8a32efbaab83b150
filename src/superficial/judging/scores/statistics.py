"""Mean scores by system, aspect, task and topic, each with its interval (paper, section 4)."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.config.schema import IntervalsConfig
from superficial.data.answered import unanswered
from superficial.data.words import count_words
from superficial.judging.judges.aspects import ASPECTS
from superficial.judging.judges.parse import verdict
from superficial.shift.statistics.bootstrap import Bootstrap, Floats

SIX = tuple(aspect for aspects in ASPECTS.values() for aspect in aspects)
AVERAGE, WORDS = "average", "words"
COLUMNS = ("system", "judge", "grouping", "group", "aspect", "mean", "ci_low", "ci_high", "n", "unscored")
GROUPINGS = {"tasks": "task", "topics": "topic"}  # column of the data, name in the table
Bools = NDArray[np.bool_]


NOT_APPLICABLE = verdict("N/A", "").unscored


def count_na(judgments: pd.DataFrame, *, as_five: bool) -> pd.DataFrame:
    """Judgments (score, unscored) in which N/A is unscored, or 5 as in the published code (just-eval, `report`)."""
    if not as_five:
        return judgments
    applies = judgments["unscored"] != NOT_APPLICABLE
    return judgments.assign(
        score=judgments["score"].where(applies, 5.0), unscored=judgments["unscored"].where(applies, "")
    )


def score_table(
    judgments: pd.DataFrame, responses: pd.DataFrame, data: pd.DataFrame, cfg: IntervalsConfig
) -> pd.DataFrame:
    """One row for each system, judge, group and aspect: mean, interval, n scored and how many were unscored.

    `judgments` has system, judge, id, aspect and score (NaN: unscored); `responses` has system, id and text, and
    thinking where there is any; `data` may lack tags. Groupings: "all", "task" and "topic"; an instruction counts for
    every tag it has. `average` is the plain mean of the aspect means: of all six over all instructions, of the five of
    regular ones within a tag; where one is missing there is none. `words` (no judge) is the mean of `count_words(text)`
    over regular instructions with an answer. Intervals come from one bootstrap over instructions, so systems are
    compared on the same draws.
    """
    bootstrap = Bootstrap.over(len(data), cfg)
    everything: Bools = np.ones(len(data), dtype=np.bool_)
    groups = {("all", ""): everything} | dict(_tag_members(data))
    rows: list[tuple[object, ...]] = []
    for (system, judge), found in judgments.groupby(["system", "judge"], sort=False):
        table = found.pivot(index="id", columns="aspect", values="score").reindex(index=data["id"], columns=SIX)
        asked = found.assign(asked=1.0).pivot(index="id", columns="aspect", values="asked")
        present = asked.reindex(index=data["id"], columns=SIX).notna().to_numpy()
        for key, member in groups.items():
            for entry in _means(table.to_numpy(dtype=np.float64), present & member[:, None], bootstrap, key[0]):
                rows.append((system, judge, *key, *entry))
    regular = (data["category"] == "regular").to_numpy()
    for system, answers in responses.groupby("system", sort=False):
        texts = answers.assign(text=answers["text"].mask(unanswered(answers))).set_index("id")["text"]
        lengths = texts.map(count_words, na_action="ignore").reindex(data["id"])
        rows.append((system, "", "all", "", WORDS, *_one(lengths.to_numpy(dtype=np.float64), regular, bootstrap)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _tag_members(data: pd.DataFrame) -> Iterator[tuple[tuple[str, str], Bools]]:
    for column, grouping in GROUPINGS.items():
        if column not in data:
            continue
        sets = [set(tags) for tags in data[column]]
        for tag in sorted(set().union(*sets)):
            yield (grouping, tag), np.array([tag in tags for tags in sets], dtype=np.bool_)


def _means(scores: Floats, present: Bools, bootstrap: Bootstrap, grouping: str) -> Iterator[tuple[object, ...]]:
    """Rows of one system and group; scores and present are (E, 6)."""
    scored = present & ~np.isnan(scores)
    sums, counts = np.where(scored, scores, 0.0), scored.astype(np.float64)
    estimate, low, high = bootstrap.ratio(sums, counts)
    unscored = (present & ~scored).sum(axis=0)
    for at, aspect in enumerate(SIX):
        if present[:, at].any():
            yield aspect, estimate[at], low[at], high[at], int(scored[:, at].sum()), int(unscored[at])
    of = [at for at, aspect in enumerate(SIX) if grouping == "all" or aspect in ASPECTS["regular"]]
    if not np.isnan(estimate[of]).any():
        with np.errstate(invalid="ignore", divide="ignore"):
            draws = ((bootstrap.weights @ sums[:, of]) / (bootstrap.weights @ counts[:, of])).mean(axis=1)
        ends = np.nanquantile(draws, [bootstrap.tail, 1 - bootstrap.tail])
        yield AVERAGE, estimate[of].mean(), *ends, int(scored[:, of].any(axis=1).sum()), int(unscored[of].sum())


def _one(values: Floats, member: Bools, bootstrap: Bootstrap) -> tuple[float, float, float, int, int]:
    """Mean, interval, n and how many are missing of one column (E,) over `member`."""
    there = member & ~np.isnan(values)
    sums, counts = np.where(there, values, 0.0)[:, None], there.astype(np.float64)[:, None]
    estimate, low, high = (float(end[0]) for end in bootstrap.ratio(sums, counts))
    return estimate, low, high, int(there.sum()), int((member & ~there).sum())
