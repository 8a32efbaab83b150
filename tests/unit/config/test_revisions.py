"""Revisions of the hub: pinned on first use, and never changed in silence."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from support.hub_server import COMMIT, HubServer

from superficial.artifacts.errors import UserError
from superficial.config.revisions import RevisionLock, hub_sources
from superficial.config.schema import HubSource
from superficial.pipeline import lock_command
from superficial.pipeline.run import Run

ROOT = Path(__file__).resolve().parents[3]
OTHER = "f" * 40
PAIR = ("pair=custom", "base=org/Base", "aligned=org/Aligned")
REMOTE = ("dataset.path=null", "+dataset.hub={repo: org/rows, revision: refs/convert/parquet, file: rows.jsonl}")
EVERYTHING = {"models": {"org/Base": {"main": COMMIT}, "org/Aligned": {"main": COMMIT}}, "datasets": {}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def hub(project: Path, monkeypatch: pytest.MonkeyPatch):
    (project / "repository").mkdir()
    (project / "repository/rows.jsonl").write_text("{}")
    names = ("org/Base", "org/Aligned", "org/rows", "HuggingFaceTB/SmolLM2-135M-Instruct")
    with HubServer(dict.fromkeys(names, project / "repository")) as server:
        server.branches.add("refs/convert/parquet")
        server.use(monkeypatch, project / "hf")
        yield server


def lock(*overrides: str) -> None:
    lock_command.main(["--config", f"hydra=[{','.join(overrides)}]"])


def locked(project: Path) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((project / "config/lock.yaml").read_text())
    return found


def write(project: Path, value: object) -> None:
    (project / "config/lock.yaml").write_text(yaml.safe_dump(value))


def notes(overrides: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    lock_command.tell_unlocked(Run(Path("config"), overrides))
    return capsys.readouterr().err.splitlines()


def test_every_revision_of_a_run_is_locked_and_reaches_its_slice(
    project: Path, hub: HubServer, capsys: pytest.CaptureFixture[str]
):
    run = (*PAIR, *REMOTE)
    assert len(notes(run, capsys)) == 3
    before = Run(Path("config"), run)
    lock(*run)
    assert locked(project) == EVERYTHING | {"datasets": {"org/rows": {"refs/convert/parquet": COMMIT}}}
    assert hub.sent == {}  # no file of theirs was fetched
    after = Run(Path("config"), run)
    pair = next(iter(after.pairs.values()))
    for stage, name in (("model", pair.base.name), ("model", pair.aligned.name), ("data", after.settings.dataset.name)):
        assert COMMIT not in before.slice(stage, name)
        assert COMMIT in after.slice(stage, name)
    assert notes(run, capsys) == []
    # The names of results come from the repositories, not from revisions.
    assert list(after.pairs) == list(before.pairs)


def test_a_locked_revision_stays_when_its_branch_moves_on(
    project: Path, hub: HubServer, capsys: pytest.CaptureFixture[str]
):
    lock(*PAIR)
    text = (project / "config/lock.yaml").read_text()
    hub.commit = OTHER
    lock(*PAIR)
    assert f"model org/Base: main stays at {COMMIT}" in capsys.readouterr().out
    assert (project / "config/lock.yaml").read_text() == text
    # Another run adds to it and leaves the rest as it is.
    lock(*REMOTE)
    assert locked(project) == EVERYTHING | {"datasets": {"org/rows": {"refs/convert/parquet": OTHER}}}


def test_a_run_with_another_revision_says_so_and_keeps_it(project: Path, capsys: pytest.CaptureFixture[str]):
    write(project, EVERYTHING)
    run = (*PAIR, f"pair.base.source.revision={OTHER}")
    (note,) = notes(run, capsys)
    assert f"hub model org/Base: runs at {OTHER[:12]}, and config/lock.yaml has main at {COMMIT[:12]} | remedy:" in note
    assert next(iter(Run(Path("config"), run).pairs.values())).base.source.revision == OTHER
    lock(*run)  # asks no hub: there is none here
    assert locked(project) == EVERYTHING


def test_a_lora_pair_and_a_local_judge_are_followed_to_their_sources(project: Path):
    run = Run(Path("config"), ["pair=gemma3_1b"])
    repositories = {source.repo for source in lock_command.hub_sources_of(run)}
    assert repositories == {"google/gemma-3-1b-pt", "google/gemma-3-1b-it"}
    model = yaml.safe_load((project / "config/model/gemma3_270m_chat.yaml").read_text())
    model["defaults"] = [{"/model@source.base": "gemma3_1b"}]
    (project / "config/model/gemma3_270m_chat.yaml").write_text(yaml.safe_dump(model))
    judge = yaml.safe_load((project / "config/judge/smollm2_local.yaml").read_text())
    (project / "config/judge/smollm2_local.yaml").write_text(
        yaml.safe_dump(judge | {"model": "smollm2_135m_instruct_hub"})
    )
    repositories = {source.repo for source in lock_command.hub_sources_of(Run(Path("config")))}
    assert repositories == {"google/gemma-3-1b-pt", "HuggingFaceTB/SmolLM2-135M-Instruct"}
    write(project, {"models": {"google/gemma-3-1b-pt": {"main": COMMIT}}})
    chat = json.loads(Run(Path("config")).slice("model", "gemma3_270m_chat"))
    assert chat["source"]["base"]["source"]["revision"] == COMMIT


def test_a_run_from_local_files_uses_nothing_of_the_hub(project: Path, capsys: pytest.CaptureFixture[str]):
    assert notes((), capsys) == []
    (project / "just_eval_instruct.json").write_text("[]")
    assert notes(("experiment=published", "published_dir=."), capsys) == []
    (note,) = notes(("experiment=published", "published_dir=config"), capsys)
    assert "re-align/just-eval-instruct: refs/convert/parquet is not locked" in note


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models: {org/Base: {main: abc}}", "key models.org/Base.main: String should match pattern"),
        ("model: {}", "unknown key model | remedy: did you mean models?"),
        ("models: {", "malformed YAML"),
    ],
)
@pytest.mark.fault(
    "configuration", "config/lock.yaml is spoilt", "one line that names file, key and remedy; exit code 1"
)
def test_a_spoilt_lock_ends_in_one_line(project: Path, text: str, told: str):
    (project / "config/lock.yaml").write_text(text)
    with pytest.raises(UserError, match=r"config/lock\.yaml") as caught:
        Run(Path("config"))
    assert told in str(caught.value)


@pytest.mark.fault("configuration", "what is given is no override", "one line; exit code 1")
def test_what_is_no_override_is_refused():
    with pytest.raises(UserError, match="figures/all' is not understood"):
        lock_command.main(["figures/all"])


def test_without_network_the_commit_in_the_cache_is_what_was_used_first(hub: HubServer, tmp_path: Path):
    from superficial.models.hub import newest_commit, snapshot

    snapshot("org/rows", None, kind="dataset", patterns=["rows.jsonl"])
    hub.commit = OTHER
    assert newest_commit("org/rows", None, kind="dataset") == OTHER
    hub.stop()
    assert newest_commit("org/rows", None, kind="dataset") == COMMIT
    with pytest.raises(UserError, match="the hub cannot be reached"):
        newest_commit("org/Base", None, kind="model")


def test_the_committed_lock_is_valid():
    lock_file = RevisionLock(ROOT / "config/lock.yaml")
    assert lock_file.commit(HubSource(kind="hub", repo="no/body")) is None
    assert list(hub_sources(HubSource(kind="hub", repo="no/body"))) == [HubSource(kind="hub", repo="no/body")]
