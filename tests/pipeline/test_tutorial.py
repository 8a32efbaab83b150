"""What the first pages tell a newcomer to type is typed, in their order, with tiny models in place of real ones."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.plans import jobs_in
from support.project import ROOT, Project
from support.told import commands

TUTORIAL = commands(ROOT / "docs/tutorial.md")
INSTALL, ASK, FIGURES, COLOUR, FEWER, OWN = TUTORIAL
QUESTIONS = [f"How do I keep {number} plants alive?" for number in range(10)]
DEFAULTS = {
    "pair: gemma3_270m": "pair: tiny",
    "judge: smollm2_local": "judge: tiny",
    "experiment: demo": "experiment: smoke",
}


class Newcomer:
    """A finished project whose defaults are tiny, with a Makefile and what stands for an installation in `.venv`."""

    def __init__(self, project: Project) -> None:
        self.folder = project.folder
        config = self.folder / "config/config.yaml"
        text = config.read_text()
        for real, tiny in DEFAULTS.items():
            assert text.count(f"  - {real}\n") == 1
            text = text.replace(f"  - {real}\n", f"  - {tiny}\n")
        config.write_text(text)
        for name in ("Makefile", "pyproject.toml", "constraints.txt", "requirements.lock"):
            shutil.copy(ROOT / name, self.folder)
        (self.folder / ".venv").mkdir()
        for part in ("bin", "lib", "pyvenv.cfg"):
            (self.folder / ".venv" / part).symlink_to(Path(sys.prefix) / part)
        (self.folder / ".venv/.ready").touch()

    def types(self, command: str) -> str:
        """What the command prints; it must succeed."""
        path = f"{self.folder}/.venv/bin:{os.environ['PATH']}"
        result = subprocess.run(
            command, shell=True, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=os.environ | {"PATH": path, "OMP_NUM_THREADS": "2"},
        )  # fmt: skip
        assert result.returncode == 0, result.stdout[-4000:]
        return result.stdout

    def facts(self, folder: str) -> list[dict[str, object]]:
        """The sidecars of a folder's tables."""
        return [json.loads(file.read_text()) for file in sorted((self.folder / folder).rglob("*.parquet.meta.json"))]


@pytest.fixture(scope="module")
def newcomer(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    return Newcomer(finished.copy(tmp_path_factory.mktemp("newcomer") / "project"))


def test_the_readme_tells_to_type_what_the_tutorial_does():
    assert set(commands(ROOT / "README.md")) - {"make test"} == {ASK, FIGURES}


def test_one_question_is_answered_with_its_categories(newcomer: Newcomer):
    newcomer.types(INSTALL)
    said = newcomer.types(ASK)
    assert "How do bees find their way back?" in said
    for category in ("unshifted", "shifted"):
        assert re.search(rf"^{category} +[\d.]+ +%", said, re.MULTILINE)


def test_the_page_names_files_that_make_figures_leaves_there(newcomer: Newcomer):
    newcomer.types(FIGURES)
    named = re.findall(r"`(figures/\w+|results/[\w/]+\.html)`", (ROOT / "docs/tutorial.md").read_text())
    assert len(named) == 4
    for name in named:
        file = f"results/{name}.pdf" if name.startswith("figures/") else name
        assert (newcomer.folder / file).is_file()


def test_a_changed_colour_runs_no_model(newcomer: Newcomer):
    key, value = re.search(r"hydra=\[(figure\.\w+)=(\w+)\]", COLOUR).groups()
    drawn = newcomer.folder / "results/figures/shift_ratio.svg"
    before = drawn.read_bytes()
    why = newcomer.types(COLOUR.replace("make figures", "make why"))
    assert re.search(rf'^{key.removeprefix("figure.")}: "#\w+" → "{value}"$', why, re.MULTILINE)
    ran = jobs_in(newcomer.types(COLOUR))
    assert ran["figures/shift_ratio"] == 1
    assert [rule for rule in ran if not rule.startswith("figures/")] == []
    assert drawn.read_bytes() != before


def test_a_smaller_number_of_answers_decodes_nothing_again(newcomer: Newcomer):
    """The page says ten of forty instructions; here there are six."""
    ran = jobs_in(newcomer.types(re.sub(r"(dataset\.limit)=10", r"\1=4", FEWER)))
    assert ran["generate"] == 3
    for folder in ("results/responses/tiny", "results/prefill/tiny", "results/handoff/tiny"):
        written = newcomer.facts(folder)
        assert written
        assert {facts["new_tokens"] for facts in written} == {0}
    shown = pd.read_parquet(newcomer.folder / "results/responses/tiny/tiny_aligned/aligned.parquet")
    assert len(shown) == 4


def test_questions_of_ones_own_are_in_the_browser(newcomer: Newcomer):
    (newcomer.folder / "my.csv").write_text("\n".join(["instruction", *QUESTIONS]))
    newcomer.types(OWN)
    page = (newcomer.folder / "results/browser/index.html").read_text()
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    (pair,) = json.loads(data)["pairs"]
    assert [example["instruction"] for example in pair["examples"]] == QUESTIONS


def test_two_folders_are_a_pair(newcomer: Newcomer, tiny_models: Path):
    """One figure in place of all, because all take long."""
    told = commands(ROOT / "docs/your-own.md")
    (command,) = [command for command in told if "base=ORG/MODEL" in command]
    for word, own in {
        "ORG/MODEL": str(tiny_models / "base"), "FOLDER": str(tiny_models / "aligned"), "figures/all": "figures/shift_ratio",
    }.items():  # fmt: skip
        assert command.count(word) == 1
        command = command.replace(word, own)
    ran = jobs_in(newcomer.types(command))
    assert {"model", "generate", "score", "compare", "figures/shift_ratio"} <= set(ran)


def test_a_prompt_is_printed_as_the_model_would_see_it(newcomer: Newcomer):
    (command,) = [command for command in commands(ROOT / "docs/your-own.md") if " prompt " in command]
    (newcomer.folder / "my.jsonl").write_text(json.dumps({"instruction": QUESTIONS[0]}))
    printed = json.loads(newcomer.types(command.replace("pair=gemma3_270m", "pair=tiny")))
    assert printed["text"].endswith(f"# Query:\n```{QUESTIONS[0]}```\n\n# Answer:\n```\n")
