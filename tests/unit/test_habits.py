"""Files that the field expects at a project's root: they can be read, and say what the project says."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from support.project import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
YAML_FILES = [
    "CITATION.cff", ".pre-commit-config.yaml", ".snakemake-workflow-catalog.yml", ".github/ISSUE_TEMPLATE/fault.yml",
    ".github/ISSUE_TEMPLATE/question.yml",
]  # fmt: skip


@pytest.mark.parametrize("name", YAML_FILES)
def test_it_is_yaml_with_something_in_it(name: str):
    assert len(yaml.safe_load((ROOT / name).read_text())) >= 1


def test_the_citation_is_of_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])


def test_hooks_before_a_commit_are_checks_of_make_lint():
    lint = (ROOT / "Makefile").read_text()
    for hook in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]:
        program = hook["entry"].split()[0].removeprefix(".venv/bin/")
        assert f"$(BIN)/{program}" in lint, hook["id"]


def test_the_page_of_the_configuration_has_every_group():
    text = (ROOT / "config/README.md").read_text()
    named = set(re.findall(r"`(\w+)/`", text))
    assert named == {folder.name for folder in (ROOT / "config").iterdir() if folder.is_dir()}


def test_the_image_installs_what_the_makefile_installs():
    recipe = (ROOT / "Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (.*)$", recipe, re.MULTILINE) for word in line.split()[:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert {"Snakefile", "src", "config", "workflow", "profiles", "resources"} <= set(copied)
    torch = re.search(r"torch==[\d.]+", (ROOT / "Makefile").read_text())
    assert torch is not None
    assert torch[0] in recipe
    assert "-c constraints.txt" in recipe
    python = re.search(r"FROM python:3\.(\d+)", recipe)
    assert python is not None
    assert 11 <= int(python[1]) <= 13
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert (ROOT / ".devcontainer" / container["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize(
    ("version", "said"),
    [("", "another version"), ("9.9.9", "another version"), (PROJECT["version"], "no section")],
)
def test_a_release_is_checked_before_anything_is_built(tmp_path: Path, version: str, said: str):
    """Installing is left out: both environments count as ready."""
    for name in ("Makefile", "pyproject.toml", "CHANGELOG.md", "constraints.txt", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    ready = ["-o", ".venv/.ready", "-o", ".venv/tools/.ready"]
    for file in ready[1::2]:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    command = ["make", *ready, "release", f"VERSION={version}"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2
    assert f"error: {'pyproject.toml' if 'another' in said else 'CHANGELOG.md'} has {said}" in result.stdout
    assert not (tmp_path / "dist").exists()
