"""Pages name files and commands that are there, and the site builds with every link checked."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import faults
import pytest
import yaml
from support.project import ROOT
from support.told import commands

from superficial.__main__ import COMMANDS
from superficial.artifacts.errors import UserError
from superficial.config.overrides import split_overrides
from superficial.pipeline.checks import check_run
from superficial.pipeline.run import Run
from superficial.pipeline.stages import STAGES
from superficial.views.declared import declared

PAGE = ROOT / "docs/architecture.md"
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
PAGES = [*READMES, ROOT / "CONTRIBUTING.md", ROOT / "config/README.md", *sorted((ROOT / "docs").glob("*.md"))]
USER_S = ("FOLDER", "my.csv", "mypair", "just_eval_instruct.json")  # they stand for what a reader has
OPTIONAL = "make vllm puts one"  # the remedy where vLLM is not installed
SHELL = {"PYTHONPATH=src", "cp", "ln", "mv", "srun"}
FIGURES = ROOT / "docs/figures.md"


def walks() -> list[list[str]]:
    """The files of each walk, in order."""
    parts = re.split(r"^## Walk", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return [re.findall(r"^\d+\. `([^`]+)`:", part.split("\n## ")[0], re.MULTILINE) for part in parts]


def test_a_walk_names_files_that_are_there_and_none_twice():
    assert [len(walk) > 15 for walk in walks()] == [True, True]
    for walk in walks():
        assert [name for name in walk if not (ROOT / name).is_file()] == []
        assert len(set(walk)) == len(walk)


def test_the_table_of_layers_is_that_of_the_package():
    layers = PAGE.read_text().split("\n## Layers")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ((?:`[\w./]+`(?:, )?)+) \|", layers, re.MULTILINE)
    named = {name.rstrip("/") for row in rows for name in re.findall(r"`([\w./]+)`", row)}
    found = {path.name for path in (ROOT / "src/superficial").iterdir()}
    assert named == found - {"__init__.py", "__pycache__"}


def test_every_package_that_the_page_names_says_what_it_holds():
    for file in (ROOT / "src/superficial").glob("*/__init__.py"):
        assert file.read_text().startswith('"""'), file


TOLD = sorted(
    {command for page in PAGES if page.name != "extending.md" for command in commands(page)}
)  # it has its own


@pytest.mark.parametrize("command", TOLD)
def test_a_command_of_a_page_can_be_typed(command: str):
    """Programs, targets and values are there; `pipeline` tests run the workflow itself."""
    words = shlex.split(command)
    program, rest = words[0].removeprefix(".venv/bin/"), words[1:]
    overrides = [word for word in rest if word.startswith("hydra=")]
    match program:
        case "make":
            targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
            assert rest[0] in targets
            inner = shlex.split(next((word.removeprefix("ARGS=") for word in rest if word.startswith("ARGS=")), ""))
            overrides += [word for word in inner if word.startswith("hydra=")]
        case "snakemake":
            files = [word for word in rest if re.match(r"(figures|tables|results)/", word)]
            names = {*declared(), "figures/all"}
            assert [name for name in files if name not in names and not name.startswith("results/")] == []
        case "python" | "superficial":
            words = rest[1:] if rest[:1] == ["-m"] else [program, *rest]
            known = {*COMMANDS, *STAGES, "superficial", "snakemake", "pytest"}
            assert words[0].startswith(("superficial", "tests")) or words[0] in known
            if words[0] == "superficial":
                assert words[1] in known, command
        case _:
            assert program in SHELL
    for word in overrides:
        compose(word.removeprefix("hydra="))


def compose(text: str) -> None:
    """The values of a command make a run, but for files and folders of the reader's."""
    if "..." in text:
        return
    try:
        check_run(Run(ROOT / "config", [*split_overrides(text)]))
    except UserError as error:
        if not any(own in text and own in str(error) for own in USER_S) and OPTIONAL not in str(error):
            raise


def test_both_readmes_say_the_same_commands_numbers_and_links():
    english, chinese = (page.read_text(encoding="utf-8") for page in READMES)
    assert commands(READMES[0]) == commands(READMES[1])
    assert (
        re.findall(r"\]\(([^)]+\.(?:md|png|pdf)|http[^)]+)\)", english)[1:]
        == (re.findall(r"\]\(([^)]+\.(?:md|png|pdf)|http[^)]+)\)", chinese)[1:])
    )
    assert re.findall(r"`[^`\n]+`", english) == re.findall(r"`[^`\n]+`", chinese)
    numbers = [sorted(re.findall(r"\d[\d.,]*\d|\d", text)) for text in (english, chinese)]
    assert numbers[0] == numbers[1]


def test_links_between_files_of_the_project_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_site_builds_strictly_and_has_every_page(tmp_path: Path):
    """A dead link, a missing page or a docstring that cannot be read is an error."""
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, text=True, capture_output=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    for page in (ROOT / "docs").glob("*.md"):
        assert (tmp_path / "site" / page.with_suffix(".html").name).is_file(), page.name
    assert "def " not in (tmp_path / "site/targets.html").read_text()
    assert "unpkg" not in (tmp_path / "site/index.html").read_text()


def test_the_home_page_lists_every_page():
    named = set(re.findall(r"\]\((\w[\w-]*\.md)\)", (ROOT / "docs/index.md").read_text()))
    assert named == {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert named | {"index.md"} == set(re.findall(r"[\w-]+\.md", str(navigation)))


def test_the_matrix_of_faults_is_that_of_the_tests_and_large():
    found = faults.faults()
    assert faults.PAGE.read_text() == faults.page()
    assert len(found) >= 100
    assert {one.group for one in found} == set(faults.GROUPS)
    assert len({(one.group, one.case) for one in found}) == len(found)


def test_every_figure_has_a_section_that_says_how_to_read_it():
    parts = re.split(r"^### `(figures/\w+)`\n", FIGURES.read_text(), flags=re.MULTILINE)[1:]
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    assert len(sections) == len(parts) // 2
    assert set(sections) == {name for name in declared() if name.startswith("figures/")}
    for name, text in sections.items():
        assert "- *Look for*" in text, name
        assert "- *It cannot say*" in text, name


def test_the_page_on_figures_has_the_categories_of_the_report():
    headings = re.findall(r"^## (.*)|^### `(figures/\w+)`", FIGURES.read_text(), flags=re.MULTILINE)
    under, found = "", {}
    for heading, name in headings:
        under = heading or under
        if name:
            found[name] = under
    assert found == {name: declared()[name].view.category for name in found}
