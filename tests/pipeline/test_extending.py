"""docs/extending.md, done as the page says in a copy of the project: five things, each in its own files alone."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from support.page_of_examples import examples
from support.plans import plans
from support.project import ROOT, Project
from support.warm import warm

COUNTED = {  # what is added -> its Python modules and YAML files
    "A figure or a table": (1, 0),
    "A method": (0, 1),
    "A kind of judge": (1, 1),
    "A number of every token, with its statistics": (1, 0),
    "An engine": (1, 1),
}
PLANNED = {  # what is added -> a rule that its command must run
    "A figure or a table": "figures/shifted_share",
    "A method": "generate",
    "A kind of judge": "judge",
    "A number of every token, with its statistics": "token_column",
    "An engine": "generate",
}
STATS = "results/stats/tiny/tiny/zero_shot"


@pytest.fixture
def extended(tmp_path: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project with sources of its own, in which the page was followed."""
    project = Project(tmp_path / "project", tiny_models)
    shutil.copytree(ROOT / "src", project.folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for example in examples().values():
        example.write(project.folder)
    monkeypatch.setenv("PYTHONPATH", str(project.folder / "src"))
    (tmp_path / "w").mkdir()
    with warm(tmp_path / "w") as stages:
        project.start_stages(stages)
        yield project


def test_each_example_is_as_many_files_as_it_counts():
    numbers = {what: (one.counted.count("module"), one.counted.count("YAML")) for what, one in examples().items()}
    assert numbers == COUNTED
    for what, one in examples().items():
        kinds = [Path(name).suffix for name in one.files]
        assert (kinds.count(".py"), kinds.count(".yaml")) == COUNTED[what]


def test_the_examples_keep_the_rules_of_the_house(tmp_path: Path):
    for name, text in [pair for one in examples().values() for pair in one.files.items() if pair[0].endswith(".py")]:
        file = tmp_path / Path(name).name
        file.write_text(text)
        ruff = [str(Path(sys.executable).parent / "ruff"), "check", "--config", str(ROOT / "pyproject.toml"), str(file)]
        assert subprocess.run(ruff, capture_output=True, text=True).returncode == 0, name


def test_what_the_page_says_works(extended: Project):
    asked = {what: one.command for what, one in examples().items()}
    planned = plans(extended.folder, {what: ["snakemake", *words] for what, words in asked.items()})
    assert all(PLANNED[what] in rules for what, rules in planned.items())

    column = f"{STATS}/columns/surprise.csv"
    extended.made(
        "figures/shifted_share", "tables/scores", "tables/pairwise", "tables/responses", column,
        hydra=("methods=[zero_shot,brief]", "judge=length", "contexts=[]"),
    )  # fmt: skip
    results = extended.folder / "results"
    shares = pd.read_csv(results / "figures/shifted_share.csv")
    assert shares["category"].tolist() == ["shifted"]
    assert all((results / f"figures/shifted_share.{form}").is_file() for form in ("pdf", "png", "svg"))
    assert "Brief" in (results / "tables/responses.md").read_text()
    judged = pd.read_parquet(results / "judgments/tiny/length/tiny_base/brief.parquet")
    assert judged["score"].between(1, 5).all()
    assert "It counts words" in (results / "tables/scores.md").read_text()
    tokens = pd.read_parquet(results / "columns/tiny/tiny/zero_shot/surprise.parquet")
    assert pd.read_csv(extended.folder / column)["value"].item() == pytest.approx(tokens["surprise"].mean())

    extended.made("results/responses/tiny/tiny_base/zero_shot.parquet", hydra=("engine=echo",))
    answers = pd.read_parquet(results / "responses/tiny/tiny_base/zero_shot.parquet")
    assert [list(ids) for ids in answers["token_ids"]] == [list(ids[-8:]) for ids in answers["prompt_ids"]]

    # An edit of what was added reruns what depends on it; a missing module is named.
    file = extended.folder / "src/superficial/judging/kinds/length.py"
    file.write_text(file.read_text() + "\n")
    again = extended.planned("tables/scores", hydra=("methods=[zero_shot,brief]", "judge=length", "contexts=[]"))
    assert "judge" in again
    refused = extended.run("tables/scores", hydra=("judge=length", "judge.module=nowhere"), arguments=("--dry-run",))
    assert "key module: no file src/superficial/judging/kinds/nowhere.py" in refused.stdout
    refused = extended.run("tables/scores", hydra=("engine=echo", "engine.module=nowhere"), arguments=("--dry-run",))
    assert "key engine.module: no file src/superficial/inference/engines/nowhere.py" in refused.stdout
