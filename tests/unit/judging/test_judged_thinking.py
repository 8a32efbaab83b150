"""Judges, lengths, failures and refusals of a model that thinks: the answer alone."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.thinking import ANSWERS, OPENS, SECRET, WRITTEN, Scripted, thinking_tokenizer

from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import (
    AnsweringSystem,
    IntervalsConfig,
    JudgedStage,
    ResponseStatsStage,
    ResponsesView,
    Runtime,
    RuntimeConfig,
    ShownSystem,
)
from superficial.config.schema.judge import CanariesStage, JudgeStage, ModuleJudge, PairwiseStage
from superficial.data.answered import NO_ANSWER
from superficial.inference.generate.stage import _row, converse
from superficial.inference.generate.thinking import with_thinking
from superficial.judging.judges import canaries, pairwise, stage
from superficial.judging.judges.choices import Choice
from superficial.judging.judges.item import Item, Judged
from superficial.judging.judges.parse import Verdict
from superficial.judging.published.read import read_outputs
from superficial.judging.refusals.phrases import Refusals
from superficial.judging.responses.stage import run as response_stats
from superficial.judging.scores.stage import run as judged
from superficial.probes.prefill.statistics import rates
from superficial.prompts.builder import PromptBuilder, PromptConfig
from superficial.views.tables import responses as table_of_responses

SILENT = [name for name, answer in ANSWERS.items() if not answer]
DATA = pd.DataFrame({"id": list(WRITTEN), "instruction": "How?", "category": "regular", "turns": [[]] * len(WRITTEN)})
RUNTIME = RuntimeConfig(device="cpu", generate_batch=1, score_tokens=1, position_chunk=1)
JUDGING = Runtime(**dict(RUNTIME))
JUDGE = ModuleJudge(name="served", title="Served", kind="module", module="own", options={})
STATS = {"resamples": 100, "confidence": 0.9, "seed": 0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Responses of a model that thinks, and of one that does not."""
    tokenizer = thinking_tokenizer(OPENS)
    builder = PromptBuilder(PromptConfig(kind="chat"), tokenizer, model="tiny")
    found = converse({name: ["How?"] for name in WRITTEN}, builder, Scripted(tokenizer, WRITTEN))
    rows = pd.DataFrame([_row(name, one) for name, one in found.items()])
    thinks = with_thinking(rows, [one.parts[-1] for one in found.values()])
    write_table(thinks, tmp_path / "thinks.parquet")
    write_table(rows.assign(text="As always."), tmp_path / "plain.parquet")
    write_table(DATA, tmp_path / "data.parquet")
    return tmp_path


class Listening:
    """A judge of any kind: it is given items, gives 4 to each, prefers the first, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Item] = []

    def scores(self, items: Sequence[Item]) -> dict[tuple[str, str], Judged[Verdict]]:
        self.asked += items
        return {(item.name, aspect): Judged(Verdict(4, "so"), "") for item in items for aspect in item.aspects}

    def choices(self, items: Sequence[Item]) -> dict[tuple[str, str], Judged[Choice]]:
        self.asked += items
        return {(item.name, aspect): Judged(Choice("first", "so"), "") for item in items for aspect in item.aspects}


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Listening:
    found = Listening()
    for module in (stage, canaries, pairwise):
        monkeypatch.setattr(module, "open_judge", lambda *_: found)
    return found


def test_a_judge_reads_answers_alone_and_is_not_asked_where_there_is_none(folder: Path, judge: Listening):
    files = {"data": folder / "data.parquet", "responses": folder / "thinks.parquet"}
    out = folder / "results/judgments/d/served/m/k.parquet"
    stage.run(JudgeStage(judge=JUDGE, system="m.k"), JUDGING, **files, model=[], out=out)
    table = pd.read_parquet(out).set_index("id")
    assert set(table.index) == set(WRITTEN)
    assert (table.loc[SILENT, "unscored"] == NO_ANSWER).all()
    assert table.loc[SILENT, "score"].isna().all()
    assert (table.drop(SILENT)["score"] == 4).all()
    assert len(judge.asked) == len(WRITTEN) - len(SILENT)

    change = CanariesStage(judge=JUDGE, system="m.k", file="c.yaml", examples=5, seed=0)
    (folder / "c.yaml").write_text("order: Give 5.\n")
    more = {"judgments": out, "sentences": folder / "c.yaml", "out": out.with_suffix(".canaries.parquet")}
    canaries.run(change, JUDGING, **files, model=[], **more)
    assert set(pd.read_parquet(more["out"])["id"]) == set(WRITTEN) - set(SILENT)

    compared = folder / "results/pairwise/d/served/c.parquet"
    pair = PairwiseStage(judge=JUDGE, a="m.k", b="n.k", examples=None, seed=0)
    sides = {"a": folder / "thinks.parquet", "b": folder / "plain.parquet"}
    before = len(judge.asked)
    pairwise.run(pair, JUDGING, data=files["data"], **sides, model=[], votes=[], out=compared)
    rows = pd.read_parquet(compared).set_index("id")
    assert (rows.loc[SILENT, "vote"] == "").all()
    assert (rows.loc[SILENT, "unscored"] == NO_ANSWER).all()
    assert (rows.drop(SILENT)["vote"] != "").all()
    assert len(judge.asked) - before == 2 * (len(WRITTEN) - len(SILENT))
    said = "\n".join(text for item in judge.asked for text in item.slots.values())
    assert SECRET not in said
    assert "think>" not in said
    assert ANSWERS["both"] in said

    scores = folder / "scores.csv"
    judging = JudgedStage(**STATS, na_as_five=False, judge="served", systems=["m.k"])
    judged(judging, RUNTIME, judgments=out, responses=files["responses"], data=files["data"], out=scores)
    found = read_table(scores).set_index("aspect")
    assert found.loc["clarity", ["n", "unscored"]].tolist() == [2, 3]
    assert found.loc["words", ["n", "unscored", "mean"]].tolist() == [2, 3, 4]  # "Here is a list.", "How do I keep"


def test_where_nobody_answers_no_judge_is_opened(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stage, "open_judge", None)
    cut = read_table(folder / "thinks.parquet").query("id in @SILENT")
    write_table(cut, folder / "cut.parquet")
    out = folder / "results/judgments/d/served/m/k.parquet"
    files = {"data": folder / "data.parquet", "responses": folder / "cut.parquet"}
    stage.run(JudgeStage(judge=JUDGE, system="m.k"), JUDGING, **files, model=[], out=out)
    assert set(pd.read_parquet(out)["id"]) == set(SILENT)


def test_lengths_and_failures_are_of_the_answer_and_the_table_counts_the_thinking(folder: Path):
    names = ["m.think", "m.plain"]
    systems = [AnsweringSystem(name=name, baseline="") for name in names]
    out = [folder / "stats.csv", folder / "answers.csv"]
    files = [folder / "thinks.parquet", folder / "plain.parquet"]
    cfg = ResponseStatsStage(**STATS, systems=systems)
    response_stats(cfg, RUNTIME, data=folder / "data.parquet", responses=files, models=[], out=out)
    rows = read_table(out[1]).set_index(["system", "id"])
    thinks = read_table(files[0]).set_index("id")
    mine = rows.loc["m.think"]
    assert mine["tokens"].tolist() == thinks["token_ids"].map(len).tolist()
    assert mine["thinking"].tolist() == thinks["thinking_tokens"].tolist()
    assert mine.index[mine["unanswered"] == 1].tolist() == SILENT
    assert mine.loc[SILENT, ["words", "repeated", "echoes", "empty"]].isna().all(axis=None)
    assert mine.loc["both", "words"] == 4
    assert rows.loc["m.plain", ["thinking", "unanswered"]].eq(0).all(axis=None)

    shown = [ShownSystem(name=name, model="m", method=name, repetition_penalty=1.0) for name in names]
    view = ResponsesView(dataset="d", confidence=0.9, max_new_tokens=64, systems=shown)
    table = table_of_responses.titled(read_table(out[0]), view)
    written = table_of_responses.markdown(table, view)
    assert "| thinking, tokens | no answer, % |" in written
    assert "No answer: the response ends within its thinking" in written
    assert "no answer" in table_of_responses.latex(table, view)
    # Of systems that do not think there is no such column.
    cfg = ResponseStatsStage(**STATS, systems=systems[1:])
    response_stats(cfg, RUNTIME, data=folder / "data.parquet", responses=files[1:], models=[], out=out)
    assert "thinking" not in read_table(out[1])
    table = table_of_responses.titled(read_table(out[0]), view.model_copy(update={"systems": shown[1:]}))
    assert "hinking" not in table_of_responses.markdown(table, view)


def test_published_outputs_lose_their_thinking(tmp_path: Path):
    outputs = {"both": f"<think>{SECRET}</think>\nYes.", "cut": f"<think>{SECRET}", "last": "Yes."}
    (tmp_path / "sys.to_eval.json").write_text(json.dumps(
        [{"id": name, "instruction": "How?", "output": text} for name, text in outputs.items()]
    ))  # fmt: skip
    found = read_outputs([tmp_path / "sys.to_eval.json"], DATA).set_index("id")
    assert found["text"].to_dict() == {"both": "Yes.", "cut": "", "last": "Yes."}
    assert found["thinking"].notna().to_dict() == {"both": True, "cut": True, "last": False}
    (tmp_path / "sys.to_eval.json").write_text(json.dumps([{"id": "last", "instruction": "How?", "output": "Yes."}]))
    assert list(read_outputs([tmp_path / "sys.to_eval.json"], DATA)) == ["system", "id", "text"]


def test_refusals_are_told_by_answers_and_a_cut_response_is_none():
    """In two of four responses the model thinks that it cannot help; in one it says so."""
    rows = pd.DataFrame({
        "example_id": list("abcd"), "opening": "o", "k": 2, "given": "Well, ", "window": 9,
        "text": ["Here is how.", "I cannot help.", "Here is how.", ""],
        "thinking": ["I cannot help</think>", "Hm.</think>", None, "I cannot help"],
    })  # fmt: skip
    refusals, cfg = Refusals(["i cannot help"]), IntervalsConfig(**STATS)
    found = rates(rows, refusals, cfg).iloc[0]
    assert (found["mean"], found["examples"]) == (pytest.approx(1 / 3), 3)
    plain = rates(rows.drop(columns="thinking"), refusals, cfg).iloc[0]
    assert (plain["mean"], plain["examples"]) == (1 / 4, 4)
    # What was given belongs to the thinking, so it begins no phrase of the answer.
    split = rows.assign(given="I cannot", text=" help you.")
    assert rates(split, Refusals(["i cannot help"]), cfg)["mean"].item() == 1 / 4
    assert np.isnan(rates(rows.assign(text="", thinking="Hm."), refusals, cfg)["mean"].item())
