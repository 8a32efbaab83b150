"""experiment=published: from the files of others to tables and figures, and no model on the way."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from support.plans import plans
from support.project import ROOT, Project

FOLDER = ROOT.parent / "shared/published"
MADE = [
    "tables/published_scores.csv", "tables/published_scores.md", "tables/scores.csv", "tables/scores.md",
    "tables/scores.tex", "figures/dataset_stats.pdf", "figures/aspects_radar.pdf", "figures/tasks_topics_radar.pdf",
]  # fmt: skip


def run(
    project: Project, folder: Path, *targets: str, hydra: tuple[str, ...] = (), arguments: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run the workflow; stdout holds everything that was printed."""
    words = command(project, folder, *targets, hydra=hydra, arguments=arguments)
    return subprocess.run(words, cwd=project.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def command(
    project: Project, folder: Path, *targets: str, hydra: tuple[str, ...] = (), arguments: tuple[str, ...] = ()
) -> list[str]:
    """The command of a user, with the experiment's own name in the place of the tests' one."""
    words = project.command(*targets, hydra=(f"published_dir={folder}", *hydra), arguments=arguments)
    return [word.replace("experiment=smoke", "experiment=published") for word in words]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder of four instructions, two systems and one judge, with the characters that file names may have."""
    folder = tmp_path / "my files"
    instructions, outputs, judged = [], [], []
    for at in range(4):
        text, category = f"Question {at}?", "safety" if at == 3 else "regular"
        instructions.append(
            {"id": at, "instruction": text, "source_id": f"x-{at}", "dataset": "made", "category": category,
             "task": ["math"] if at < 3 else None, "topic": ["stem", "malicious"] if at < 3 else None, "difficulty": None}
        )  # fmt: skip
        outputs.append({"id": at, "instruction": text, "output": "one two three", "generator": "g"})
        aspects = ["safety"] if at == 3 else ["helpfulness", "clarity", "factuality", "depth", "engagement"]
        parsed = {aspect: {"reason": "r", "score": "N/A" if at == 0 else "3"} for aspect in aspects}
        judged.append({"id": at, "input": text, "result": json.dumps(parsed), "parsed_result": parsed})
    files = {
        "just_eval_instruct.json": instructions, "outputs/URIAL=k3-v1.5.to_eval.json": outputs,
        "outputs/other.json": outputs, "judgments/gpt-x/URIAL=k3-v1.5.score_multi.json": judged[:3],
        "judgments/gpt-x/URIAL=k3-v1.5.score_safety.json": judged[3:],
    }  # fmt: skip
    for name, rows in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(rows))
    return folder


def test_everything_is_made_and_only_what_changes_is_made_again(project: Project, published: Path):
    result = run(project, published, "figures/all")
    assert result.returncode == 0, result.stdout[-4000:]
    results = project.folder / "results"
    for name in MADE:
        assert (results / name).stat().st_size > 100, name
    assert not (results / "models").exists()
    table = pd.read_csv(results / "tables/published_scores.csv", keep_default_na=False)
    assert list(table.columns) == ["system", "judge", "aspect", "mean", "ci_low", "ci_high", "n", "unscored"]
    found = table.set_index(["system", "judge", "aspect"])
    depth = found.loc[("URIAL=k3-v1.5", "gpt-x", "depth")]
    assert (depth["mean"], depth["n"], depth["unscored"]) == (3, 2, 1)
    assert found.loc[("other", "", "words"), "mean"] == 3

    again = run(project, published, "figures/all", arguments=("--dry-run",))
    assert "Nothing to be done" in again.stdout, again.stdout
    five = run(project, published, "tables/published_scores", hydra=("na_as_five=true",))
    assert five.returncode == 0, five.stdout[-4000:]
    assert "] published, " not in five.stdout  # the files are not read again
    assert "] tables/published_scores, " in five.stdout
    table = pd.read_csv(results / "tables/published_scores.csv", keep_default_na=False)
    depth = table.set_index(["system", "judge", "aspect"]).loc[("URIAL=k3-v1.5", "gpt-x", "depth")]
    assert (round(depth["mean"], 3), depth["n"], depth["unscored"]) == (3.667, 3, 0)

    (published / "outputs/third.json").write_text((published / "outputs/other.json").read_text())
    assert run(project, published, "tables/published_scores").returncode == 0
    assert "third" in set(pd.read_csv(results / "tables/published_scores.csv")["system"])


def test_a_judge_of_the_user_s_stands_beside_the_published_one(project: Project, published: Path):
    """One system's name holds a space, and it answered one instruction alone; the tiny judge reads the others."""
    part = json.loads((published / "outputs/other.json").read_text())[:1]
    (published / "outputs/other.json").rename(published / "other.json")
    (published / "outputs/my system.json").write_text(json.dumps(part))
    asked = ("judge=tiny", "canaries.examples=1")
    targets = ("tables/published_scores", "tables/scores", "figures/judge_trust")
    result = run(project, published, *targets, hydra=asked)
    assert result.returncode == 0, result.stdout[-4000:]
    results = project.folder / "results"
    table = pd.read_csv(results / "tables/published_scores.csv", keep_default_na=False)
    assert list(table.columns) == ["system", "judge", "aspect", "mean", "ci_low", "ci_high", "n", "unscored"]
    found = table.set_index(["judge", "system", "aspect"])
    for judge, n in (("gpt-x", 2), ("tiny", 3)):
        depth = found.loc[judge, "URIAL=k3-v1.5", "depth"]
        assert (depth["n"], depth["unscored"]) == (n, 3 - n)
    half = found.loc["tiny", "my system", "depth"]
    assert (half["n"], half["unscored"]) == (1, 2)
    assert 1 < found.loc["tiny", "URIAL=k3-v1.5", "safety"]["mean"] < 5
    for text in ("tables/published_scores.md", "tables/scores.md", "tables/scores.tex"):
        written = (results / text).read_text()
        assert "as published; tiny: tiny judge. A judge of 135M" in written
    trust = pd.read_csv(results / "figures/judge_trust.csv").set_index(["measure", "variant"])
    assert trust.loc[("agreement", "gpt-x"), "n"] == 2 * 5 + 1

    # A judgment that comes is read, and nobody is asked again; an answer that changes is judged.
    file = next(published.glob("judgments/gpt-x/*safety.json"))
    before = file.read_text()
    file.write_text(before.replace("3", "4"))
    words = {"plan": command(project, published, *targets, hydra=asked)}
    scored = {"published_judged", "judged", "trust", *targets}
    assert set(plans(project.folder, words)["plan"]) == {"published", *scored}
    file.write_text(before)
    (published / "outputs/my system.json").write_text(json.dumps([part[0] | {"output": "four"}]))
    plan = plans(project.folder, words)["plan"]
    assert set(plan) == {"published", "published_answers", "judge", *scored}
    assert (plan["published_answers"], plan["judge"]) == (1, 1)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/published is not here")
def test_the_paper_s_own_files(project: Project):
    result = run(project, FOLDER, "tables/published_scores", hydra=("na_as_five=true",))
    assert result.returncode == 0, result.stdout[-4000:]
    table = pd.read_csv(project.folder / "results/tables/published_scores.csv", keep_default_na=False)
    found = table.set_index(["system", "judge", "aspect"])["mean"]
    assert found["Mistral-7B-Instruct-v0.1", "chatgpt", "safety"] == pytest.approx(4.745)
    expected = {"helpfulness": 4.606, "factuality": 4.566, "depth": 3.417, "engagement": 3.460}
    for aspect, mean in expected.items():
        assert found["gpt-3.5-turbo-0301", "gpt-4-turbo", aspect] == pytest.approx(mean, abs=0.0006)


def test_the_dataset_may_come_from_elsewhere(project: Project, published: Path, tmp_path: Path):
    elsewhere = (published / "just_eval_instruct.json").rename(tmp_path / "instructions.json")
    result = run(project, published, "tables/published_scores", hydra=(f"dataset.path={elsewhere}",))
    assert result.returncode == 0, result.stdout[-4000:]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("no folder", ["key published_dir", "no folder", "outputs/ and judgments/"]),
        ("stranger", ["other.json, row 1, key id", "'99' is not in the dataset"]),
    ],
)
def test_mistakes_end_in_one_line(project: Project, published: Path, change: str, words: list[str]):
    if change == "no folder":
        published = published / "nowhere"
    else:
        (published / "outputs/other.json").write_text('[{"id": 99, "output": "x"}]')
    result = run(project, published, "tables/published_scores")
    last = result.stdout.strip().splitlines()[-1]
    assert result.returncode != 0
    assert last.startswith("error: "), result.stdout[-3000:]
    assert all(word in last for word in words), last
    assert not (project.folder / "results/tables/published_scores.csv").exists()
