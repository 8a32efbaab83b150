"""The judge stage: a judge scores every response of one system, aspect by aspect (paper, section 4.2)."""

import importlib
import time
from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path

import pandas as pd

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import write_sidecar
from superficial.artifacts.shard import Shard
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import Runtime
from superficial.config.schema.judge import (
    AskedImported,
    AskedJudge,
    AskedLocal,
    AskedModule,
    AskedServer,
    AskedStarted,
    AskedVotes,
    JudgeStage,
)
from superficial.data.answered import NO_ANSWER, unanswered
from superficial.data.dialogue import answered_queries
from superficial.inference.server.ledger import open_ledger
from superficial.judging.judges.imported import imported_scores
from superficial.judging.judges.item import Item, Judge, Judged, require_askable
from superficial.judging.judges.parse import Verdict
from superficial.judging.judges.served import ServedJudge

NO_RESPONSE = "there is no response"


def run(cfg: JudgeStage, runtime: Runtime, *, data: Path, responses: Path, model: Path | list[Path], out: Path) -> None:
    """Write one row for each instruction and aspect: id, category, aspect, score, reason, unscored, raw.

    `score` is NaN exactly where `unscored` says why. `model` is the manifest of a local judge; no other has one.
    Instructions without a response stand last; those of a category without any are left out. A response that ends
    within its thinking is no answer: nobody is asked, it stands last, too, and `unscored` says so.
    """
    started = time.monotonic()
    instructions, (texts, thinking) = read_table(data), answers_in(responses)
    if isinstance(cfg.judge, AskedVotes):
        raise UserError(
            "votes between two systems give no scores", where=f"judge {cfg.judge.name}",
            remedy="ask for tables/pairwise, or name it in trust.beside and score with another judge",
        )  # fmt: skip
    answered = instructions["id"].isin(texts.keys())
    items = score_items(instructions, texts)
    found: dict[tuple[str, str], Judged[Verdict]] = {}
    if isinstance(cfg.judge, AskedImported):
        found = imported_scores(cfg.judge, cfg.system, instructions[answered], texts)
    elif items or not thinking:
        found = open_judge(cfg.judge, model, runtime, results_of(out)).scores(items)
    asked = instructions["category"].isin({item.category for item in items}) | instructions["id"].isin(thinking)
    left = instructions[~answered & asked]
    silent = score_items(left, dict.fromkeys(left["id"], ""))
    nothing = {item.name: Verdict(nan, "", NO_ANSWER if item.name in thinking else NO_RESPONSE) for item in silent}
    found |= {(item.name, aspect): Judged(nothing[item.name], "") for item in silent for aspect in item.aspects}
    table = score_rows([*items, *silent], found)
    write_table(table, out)
    inputs = {"data": data, "responses": responses} | ({"model": model} if isinstance(model, Path) else {})
    facts = {"items": len(items), "unscored": int(table["score"].isna().sum()), "answers": answers_kept(out)}
    write_sidecar(out, stage="judge", config=cfg.model_dump(mode="json"), inputs=inputs, started=started, facts=facts)


def share(
    cfg: JudgeStage,
    runtime: Runtime,
    shard: Shard,
    *,
    data: Path,
    responses: Path,
    model: Path | list[Path],
    out: Path,
) -> None:
    """Judge a shard of the responses; `run` then finds what was said of them. Judgments that exist have no shards."""
    if isinstance(cfg.judge, AskedLocal | AskedServer | AskedStarted):
        items = shard.of(score_items(read_table(data), answers_in(responses)[0]))
        open_judge(cfg.judge, model, runtime, results_of(out)).scores(items)


def open_judge(judge: AskedJudge, model: Path | list[Path], runtime: Runtime, results: Path) -> Judge:
    """The judge, ready to be asked. `model` is the manifest of a local one; answers are kept below `results`."""
    asked = require_askable(judge)
    if isinstance(asked, AskedLocal):
        # Here, because a served judge needs none of the numerical libraries, which take seconds to import.
        from superficial.judging.judges.probabilities import ProbabilityJudge

        assert isinstance(model, Path)
        return ProbabilityJudge(asked, model, runtime, results)
    if isinstance(asked, AskedModule):
        own: Judge = importlib.import_module(f"superficial.judging.kinds.{asked.module}").open_judge(asked.options)
        return own
    if isinstance(asked, AskedStarted):
        from superficial.judging.judges.own_server import OwnServerJudge  # likewise

        assert isinstance(model, Path)
        return OwnServerJudge(asked, runtime.started_judges[asked.name], model, runtime.device, results)
    server = runtime.judges[asked.name]
    return ServedJudge(asked, server, open_ledger(server, results))


def answers_in(responses: Path) -> tuple[dict[str, str], list[str]]:
    """Answers by id, without any thinking before them; and ids of responses that think and then say nothing."""
    table = read_table(responses)
    silent = unanswered(table)
    return dict(zip(table["id"][~silent], table["text"][~silent], strict=True)), list(table["id"][silent])


def score_items(data: pd.DataFrame, texts: Mapping[str, str]) -> list[Item]:
    """One item an instruction that was answered, in the order of the dataset."""
    return [
        Item(name, category, {"instruction": instruction, "response": texts[name]})
        for name, category, instruction in zip(
            data["id"], data["category"], answered_queries(data, in_full=True), strict=True
        )
        if name in texts
    ]


def score_rows(items: Sequence[Item], found: Mapping[tuple[str, str], Judged[Verdict]]) -> pd.DataFrame:
    """The table of judgments: one row for each item and aspect."""
    rows = []
    for item in items:
        for aspect in item.aspects:
            one = found[item.name, aspect]
            rows.append((item.name, item.category, aspect, one.said.score, one.said.reason, one.said.unscored, one.raw))
    columns = ["id", "category", "aspect", "score", "reason", "unscored", "raw"]
    return pd.DataFrame(rows, columns=columns).astype({"score": "float64"})


def results_of(out: Path) -> Path:
    """The results folder that an artifact below `results/KIND/DATASET/JUDGE/` lies in."""
    return next(folder.parent for folder in out.parents if folder.name in ("judgments", "pairwise"))


def answers_kept(out: Path) -> str:
    """Where the answers are that no later run will ask for again."""
    return f"{results_of(out)}/.requests, {results_of(out)}/.judgments"
