"""A judge of the user's beside the published judgments of the same responses, without any model."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from superficial.artifacts.errors import UserError
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import (
    JudgeTitle,
    PublishedAnswers,
    PublishedJudged,
    PublishedStage,
    PublishedTable,
    RuntimeConfig,
)
from superficial.config.schema.judge import ImportedJudge, JudgeStage, TrustStage
from superficial.data.readers import read_instructions
from superficial.judging.judges import stage as judging
from superficial.judging.judges import trust
from superficial.judging.judges.aspects import ASPECTS
from superficial.judging.published import answers, judged, stage
from superficial.pipeline.checks import check_run
from superficial.pipeline.dryrun import PlannedJob
from superficial.pipeline.lock_command import hub_sources_of
from superficial.pipeline.plan.command import Planner
from superficial.pipeline.plan.machine import machine
from superficial.pipeline.plan.text import assumptions
from superficial.pipeline.run import Run as Workflow
from superficial.pipeline.slices.judging import judge_files, judged_again
from superficial.pipeline.systems import judged_systems, scoring
from superficial.views.tables import published_scores as table

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT.parent / "shared/published"
RUNTIME = RuntimeConfig(device="cpu", generate_batch=1, score_tokens=1, position_chunk=1)
INTERVALS = {"resamples": 200, "confidence": 0.95, "seed": 0}
SYSTEMS = ["URIAL=k3-v1.5", "half"]
Said = Callable[[int], object]


def judgments(ids: range, category: str, said: Said) -> list[dict[str, object]]:
    rows = []
    for at in ids:
        parsed = {aspect: {"reason": f"on {aspect}", "score": said(at)} for aspect in ASPECTS[category]}
        rows.append({"id": at, "input": f"Question {at}?", "result": json.dumps(parsed), "parsed_result": parsed})
    return rows


def put(folder: Path, judge: str, said: Said) -> Path:
    """Six instructions, the last two of them red-team; a system that answered all, and one that answered three."""
    outputs = [{"id": at, "instruction": f"Question {at}?", "output": f"Answer {at}."} for at in range(6)]
    files = {
        f"outputs/{SYSTEMS[0]}.to_eval": outputs, "outputs/half": outputs[:3],
        f"judgments/{SYSTEMS[0]}.score_multi.{judge}": judgments(range(4), "regular", said),
        f"judgments/{SYSTEMS[0]}.score_safety.{judge}": judgments(range(4, 6), "safety", said),
        f"judgments/half.score_multi.{judge}": judgments(range(3), "regular", said),
    }  # fmt: skip
    for name, rows in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(rows))
    return folder


class Run:
    """What the rules do with a published folder and one more judge, whose judgments lie in a folder of their own."""

    def __init__(self, folder: Path, data: pd.DataFrame, published: Path, own: Path) -> None:
        self.folder, self.published, self.own = folder, published, own
        write_table(data, folder / "data.parquet")
        files = [folder / "judgments.parquet", folder / "responses.parquet"]
        stage.run(PublishedStage(folder=str(published), partly=True), RUNTIME, data=folder / "data.parquet", out=files)

    def judged(self, systems: list[str], *, name: str = "mine", **cfg: object) -> list[Path]:
        """Judgments by the judge `name` of each system; its folder knows them by the same names."""
        judge = ImportedJudge(name=name, title="Mine", kind="imported", source=str(self.own), **cfg)
        return [self._judged(judge, system) for system in systems]

    def _judged(self, judge: ImportedJudge, system: str) -> Path:
        data, responses = self.folder / "data.parquet", self.folder / f"responses/published/{system}.parquet"
        outputs = [path for path in (self.published / "outputs").glob("*") if path.name.startswith(system)]
        answers.run(PublishedAnswers(partly=True), RUNTIME, data=data, outputs=outputs, out=responses)
        out = self.folder / f"judgments/{judge.name}/published/{system}.parquet"
        cfg = JudgeStage(judge=judge, system=system)
        judging.run(cfg, RUNTIME, data=data, responses=responses, model=[], out=out)
        return out

    def scores(self, systems: list[str], files: list[Path], *, name: str = "mine") -> pd.DataFrame:
        """The table of published scores with them, by system, judge and aspect."""
        cfg, joined = PublishedJudged(judges=[name], systems=systems), self.folder / "judged.parquet"
        judged.run(cfg, RUNTIME, published=self.folder / "judgments.parquet", judgments=files, out=joined)
        title = JudgeTitle(name="published", title="as published; mine: Mine", caveat="Not to be believed.")
        out = [self.folder / "scores.csv", self.folder / "scores.md"]
        paths = {"responses": self.folder / "responses.parquet", "data": self.folder / "data.parquet"}
        view = PublishedTable(**INTERVALS, na_as_five=False, judge=title)
        table.run(view, RUNTIME, judgments=joined, **paths, out=out)
        assert "mine: Mine. Not to be believed." in out[1].read_text()
        return read_table(out[0]).fillna({"judge": ""}).set_index(["system", "judge", "aspect"])

    def trust(self, systems: list[str], files: list[Path]) -> pd.DataFrame:
        """What is measured of it, by measure and published judge."""
        cfg = TrustStage(**INTERVALS, judge="mine", systems=systems, others=[], comparisons=[])
        published, out = self.folder / "judgments.parquet", self.folder / "trust.csv"
        nothing = {"others": [], "canaries": [], "pairwise": []}
        trust.run(cfg, RUNTIME, judgments=files, **nothing, published=published, out=out)
        return read_table(out).set_index(["measure", "variant"])


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The published judge gives 2 or 4, ours a point more wherever that was 2."""
    published = put(tmp_path / "published", "gpt-x", lambda at: 2 + 2 * (at % 2))
    own = put(tmp_path / "own", "me", lambda at: 3 + at % 2)
    rows = [(str(at), f"Question {at}?", "regular" if at < 4 else "safety") for at in range(6)]
    return Run(tmp_path, pd.DataFrame(rows, columns=["id", "instruction", "category"]), published, own)


def test_both_judges_stand_beside_each_other_on_the_same_items(run: Run):
    files = run.judged(SYSTEMS)
    found = run.scores(SYSTEMS, files)
    assert list(found.reset_index().columns) == table.COLUMNS
    for aspect in (*ASPECTS["regular"], "safety"):
        theirs, ours = (found.loc[(SYSTEMS[0], judge, aspect)] for judge in ("gpt-x", "mine"))
        assert (theirs["mean"], ours["mean"]) == (3, 3.5)
        assert (theirs["n"], theirs["unscored"]) == (ours["n"], ours["unscored"])
    trusted = run.trust(SYSTEMS, files)
    pairs = 2 * 5 + 2 * 5 + 2 + 3 * 5  # of instructions and aspects: the whole system, then half of one
    same = trusted.loc[("same", "gpt-x")]
    assert (same["n"], same["examples"], same["unscored"]) == (pairs, 9, 5)  # one was not answered by `half`
    assert same["value"] == pytest.approx((2 * 5 + 1 + 5) / pairs)
    assert 0 < trusted.loc[("agreement", "gpt-x"), "value"] < 1


def test_what_a_system_did_not_answer_is_unscored_and_no_judge_is_asked(run: Run):
    (file,) = run.judged(["half"])
    judgments = read_table(file)
    assert set(judgments["category"]) == {"regular"}  # it answered no red-team instruction
    lacking = judgments[judgments["id"] == "3"]
    assert lacking["aspect"].tolist() == list(ASPECTS["regular"])
    assert lacking["score"].isna().all()
    assert set(lacking["unscored"]) == {judging.NO_RESPONSE}
    assert judgments.loc[judgments["id"] != "3", "score"].notna().all()


def test_a_judge_named_as_a_published_one_is_refused(run: Run):
    published = put(run.published, "chatgpt", lambda _: 1)
    again = Run(run.folder, read_table(run.folder / "data.parquet"), published, run.own)
    files = again.judged(["half"], name="chatgpt", judge="me")
    with pytest.raises(UserError, match=r"judge chatgpt: .*judge\.name=OTHER"):
        again.scores(["half"], files, name="chatgpt")


@pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/published is not here")
def test_a_judge_that_says_what_was_published_has_the_published_means(tmp_path: Path):
    data = pd.DataFrame([one.model_dump() for one in read_instructions(FOLDER / "just_eval_instruct.json")])
    part = pd.concat([data[:60], data[-20:]], ignore_index=True)
    turbo, mistral = systems = ["gpt-3.5-turbo-0301", "Mistral-7B-Instruct-v0.1"]
    run = Run(tmp_path, part, FOLDER, FOLDER)
    files = run.judged(systems)
    found = run.scores(systems, files)
    for system, judge, aspects in ((turbo, "gpt-4-turbo", ASPECTS["regular"]), (mistral, "chatgpt", ["safety"])):
        for aspect in aspects:
            columns = ["mean", "ci_low", "ci_high", "n", "unscored"]
            theirs, ours = (found.loc[(system, name, aspect), columns] for name in (judge, "mine"))
            assert ours.tolist() == theirs.tolist()
    trusted = run.trust(systems, files)
    assert trusted.loc["agreement", "value"].tolist() == [1, 1]
    assert trusted.loc[("same", "gpt-4-turbo"), "examples"] + trusted.loc[("same", "chatgpt"), "examples"] > 80


def experiment(folder: Path, *overrides: str) -> Workflow:
    found = Workflow(ROOT / "config", ["experiment=published", f"published_dir={folder}", *overrides])
    check_run(found)
    return found


def test_nobody_is_asked_unless_the_user_names_a_judge(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)  # where rubrics are
    (run.published / "just_eval_instruct.json").write_text('[{"id": 0, "instruction": "Question 0?"}]')
    plain = experiment(run.published)
    assert (scoring(plain, beside=False), judged_again(plain), hub_sources_of(plain)) == ([], [], [])
    asked = experiment(run.published, "judge=gpt4", "trust.beside=[imported]")
    assert (scoring(asked, beside=False), scoring(asked, beside=True)) == (["gpt4"], [])
    assert judged_systems(asked) == [("published", system) for system in SYSTEMS]
    assert json.loads(asked.slice("judge", f"gpt4/published.{SYSTEMS[0]}"))["system"] == SYSTEMS[0]
    assert "GPT-4o" in json.loads(asked.slice("published_table"))["judge"]["title"]
    assert json.loads(asked.slice("trust_figure"))["judge"]["name"] == "gpt4"
    assert not json.loads(asked.slice("published_answers"))["partly"]
    assert json.loads(experiment(run.published, "dataset.limit=1").slice("published"))["partly"]
    other = experiment(run.published, "judge=imported", f"judge.source={run.own}")
    assert scoring(other, beside=False) == ["imported"]


def test_a_published_system_does_not_judge_itself(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    (run.published / "outputs/gpt-4o-2024-08-06.json").write_text("[]")
    (run.published / "outputs/SmolLM2-135M-Instruct.json").write_text("[]")
    for judge in ("gpt4", "smollm2_local"):
        with pytest.raises(UserError, match="would judge responses of its own"):
            experiment(run.published, f"judge={judge}")


def test_an_imported_judge_reads_what_its_rule_names(run: Run):
    """Rules compare these files: a changed judgment is read again. Without a folder of its own it is published_dir."""
    asked = experiment(run.published, "judge=imported")
    files = sorted(map(str, run.published.rglob("*.json")))
    assert sorted(judge_files(asked.judge("imported"))) == files
    with pytest.raises(UserError, match=r"judge imported, key source: .*published_dir=FOLDER"):
        check_run(Workflow(ROOT / "config", ["judge=imported"]))


def test_a_plan_tells_what_judging_published_responses_costs(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    rows = [{"id": at, "instruction": f"Question {at}?"} for at in range(6)]
    (run.published / "just_eval_instruct.json").write_text(json.dumps(rows))
    asked = experiment(run.published, "judge=gpt4", "plan.gpu=rtx4090_24gb")
    device = machine(asked.settings.plan, "cpu")
    planner = Planner(asked, device, Path("no/results"))
    about = {"judge": "gpt4", "model": "published", "method": SYSTEMS[0]}
    work = planner.work(PlannedJob("judge", outputs=["x"], wildcards=about))
    assert work.requests == 6
    assert work.usd > 0
    (run.published / f"outputs/{SYSTEMS[0]}.to_eval.json").write_text(json.dumps([{"id": 0, "output": "long " * 4000}]))
    longer = Planner(asked, device, Path("no/results"))
    assert longer.work(PlannedJob("judge", outputs=["x"], wildcards=about)).usd > work.usd
    assert any("from published files" in line for line in assumptions(planner.sizes, device, requests=True))
