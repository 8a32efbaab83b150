"""Judging through the workflow, with a tiny judge: what is measured is the machinery."""

import json
from pathlib import Path

import pandas as pd
import pytest
from support.project import Project

from superficial.judging.judges.aspects import ASPECTS

SMALL = ("methods=[zero_shot]", "pairwise.systems=[{a:base.zero_shot,b:aligned}]")
TARGETS = ("figures/judge_trust", "tables/pairwise", "tables/cases")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Project:
    return Project(tmp_path_factory.mktemp("judged") / "project", tiny_models).made(*TARGETS, hydra=SMALL)


def judgments(project: Project, judge: str = "tiny") -> pd.DataFrame:
    folder = project.folder / "results/judgments/tiny" / judge
    files = [folder / "tiny_base/zero_shot.parquet", folder / "tiny_aligned/aligned.parquet"]
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


def test_every_response_is_judged_on_its_aspects_with_a_reason(judged: Project):
    table = judgments(judged)
    for _, rows in table.groupby("category"):
        assert set(rows["aspect"]) == set(ASPECTS[rows["category"].iloc[0]])
    assert len(table) == 2 * (4 * 5 + 2)
    assert table["score"].between(1, 5).all()
    assert (table["unscored"] == "").all()
    assert table["reason"].str.len().min()
    for raw in table["raw"]:
        assert sum(json.loads(raw)[f"p{score}"] for score in range(1, 6)) == pytest.approx(1, abs=1e-4)


def test_asking_again_changes_nothing_and_tables_say_whose_they_are(judged: Project):
    trust = pd.read_csv(judged.folder / "results/figures/judge_trust.csv").set_index(["measure", "variant"])
    again = trust.loc[("shift", "asked again")]
    assert (again["value"], again["low"], again["high"]) == (0, 0, 0)
    assert again["n"] > 0
    for text in ("pairwise.md", "pairwise.tex", "cases.md"):
        written = (judged.folder / "results/tables" / text).read_text()
        assert "tiny judge" in written
        assert "too small" in written


def test_a_killed_store_and_a_new_title_ask_nothing_twice(judged: Project):
    """Judgments made anew from the store are the same bytes, and the store does not grow."""
    results = judged.folder / "results"
    before = {file: file.read_bytes() for file in results.glob("judgments/tiny/**/*.parquet")}
    stores = {file: file.stat().st_size for file in results.glob(".judgments/*.jsonl")}
    for file in before:
        file.unlink()
    judged.made(*TARGETS, hydra=(*SMALL, "judge.title=renamed"))
    assert {file: file.read_bytes() for file in before} == before
    assert {file: file.stat().st_size for file in results.glob(".judgments/*.jsonl")} == stores
    assert stores


def test_votes_are_a_judge_beside_another(judged: Project):
    rows = ["id,system_a,system_b,vote"]
    rows += [f"tiny-{index},tiny_aligned.aligned,tiny_base.zero_shot,{vote}" for index, vote in enumerate("ab")]
    (judged.folder / "votes.csv").write_text("\n".join([*rows, "tiny-2,tiny_base.zero_shot,tiny_aligned.aligned,tie"]))
    judged.made("tables/pairwise", hydra=(*SMALL, "trust.beside=[human]"))
    table = pd.read_csv(judged.folder / "results/tables/pairwise.csv")
    own = table[table["source"] == "this run"]
    votes = own[own["judge"] == "human votes"].set_index("aspect").loc["overall"]
    assert (votes["n"], votes["win"], votes["lose"], votes["tie"]) == (3, *[pytest.approx(1 / 3)] * 3)
    assert set(table["how"]) >= {"asked in both orders", "votes", "from scores"}
    assert table[table["source"].str.startswith("Lin")]["win"].tolist() == [0.2, 0.165]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("judge.model=tiny_aligned", "would judge responses of its own"),
        ("judge.questions=nowhere.yaml", "no file nowhere.yaml"),
        ("trust.beside=[nobody]", "no judge named 'nobody'"),
        ("judge.max_tokens=-1", "key judge.max_tokens"),
    ],
)
@pytest.mark.fault("judges", "the judge is one of the judged models", "one line before any work; exit code 1")
@pytest.mark.fault("judges", "a file of questions is not there", "one line before any work; exit code 1")
@pytest.mark.fault("judges", "a judge beside is misspelt", "one line before any work; exit code 1")
@pytest.mark.fault("judges", "a number of tokens is negative", "one line before any work; exit code 1")
def test_mistakes_end_in_one_line_before_any_work(judged: Project, override: str, says: str):
    result = judged.run("tables/pairwise", hydra=(*SMALL, override))
    lines = [line for line in result.stdout.splitlines() if line.startswith("error:")]
    assert result.returncode != 0
    assert len(lines) == 1
    assert says in lines[0]


def test_a_model_may_judge_itself_when_told_to(judged: Project):
    """Ordinary keys of every judge can be overridden on the command line."""
    allowed = ("judge.model=tiny_aligned", "judge.allow_self=true", "judge.name=me", "judge.prompt_files.guarded=false")
    assert "judge" in judged.planned("tables/cases", hydra=(*SMALL, *allowed))
