"""Where commands work: in a checkout, or in a folder of the user's that the package fills."""

from pathlib import Path

import pytest

from superficial.artifacts.errors import UserError
from superficial.pipeline import project


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """What a wheel brings along."""
    folder = tmp_path / "packed"
    (folder / "config").mkdir(parents=True)
    (folder / "Snakefile").write_text("one")
    (folder / "config/config.yaml").write_text("one")
    return folder


def test_files_are_laid_out_and_renewed_and_what_the_user_changed_stays(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    home = tmp_path / "home"
    project.lay_out(packed, home)
    assert project.is_project(home)
    (home / "config/mine.yaml").write_text("mine")
    (home / "config/config.yaml").write_text("changed")
    project.lay_out(packed, home)
    assert capsys.readouterr().err == ""  # nothing new came, so there is nothing to tell
    before = (home / "Snakefile").stat().st_mtime_ns
    for file in ("Snakefile", "config/config.yaml"):
        (packed / file).write_text("two")
    project.lay_out(packed, home)
    assert [(home / file).read_text() for file in ("Snakefile", "config/config.yaml", "config/mine.yaml")] == [
        "two", "changed", "mine",
    ]  # fmt: skip
    assert (home / "Snakefile").stat().st_mtime_ns > before
    assert "config/config.yaml stays as you changed it" in capsys.readouterr().err


def test_paths_in_words_mean_the_same_files_in_the_other_folder(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    here = tmp_path / "here"
    (here / "model").mkdir(parents=True)
    (here / "demo").mkdir()
    monkeypatch.setattr(project, "PACKED", packed)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(here)
    words = ["base=model", "aligned=org/other", "dataset=demo", "model", "out=new.txt", "--open"]
    assert project.enter_project(words) == [
        f"base={here}/model", "aligned=org/other", "dataset=demo", "model", f"out={here}/new.txt", "--open",
    ]  # fmt: skip
    assert Path.cwd() == tmp_path / "cache/superficial"
    assert project.enter_project(words) == words  # at home nothing is moved


def test_a_folder_without_the_workflow_is_refused_where_the_package_brings_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(project, "PACKED", tmp_path / "none")
    monkeypatch.setattr(project, "PACKAGE", tmp_path / "a/b/c")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no Snakefile"):
        project.enter_project([])
