"""Models of the hub: the real client against a local server that misbehaves on demand."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.hub_server import COMMIT, HubServer
from support.tiny import make_model

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import file_sha256
from superficial.config.schema import HubSource, ModelConfig, RuntimeConfig
from superficial.models import stage
from superficial.models.hub import snapshot

RUNTIME = RuntimeConfig.model_construct(device="cpu")
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository as they are: weights, the same in other formats, a licence, and folders that nobody needs."""
    folder = make_model(tmp_path_factory.mktemp("origin") / "model", seed=1)
    (folder / "LICENSE").write_text("none")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "consolidated.safetensors").write_bytes(b"a second copy")
    (folder / "original").mkdir()
    (folder / "original/other.safetensors").write_bytes(b"a third copy")
    return folder


@pytest.fixture
def hub(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with HubServer({"org/model": origin}) as server:
        server.use(monkeypatch, tmp_path / "hf")
        yield server


def make(
    folder: Path, repo: str = "org/model", revision: str | None = COMMIT, subfolder: str | None = None
) -> dict[str, object]:
    """Run the model stage and return the manifest."""
    source = HubSource(kind="hub", repo=repo, revision=revision, subfolder=subfolder)
    out = folder / "tiny/manifest.json"
    stage.run(ModelConfig(name="tiny", title="tiny", licence="none", source=source), RUNTIME, out=out)
    manifest: dict[str, object] = json.loads(out.read_text())
    return manifest


def refused(folder: Path, **asked: str) -> str:
    """The one line that the model stage ends in; it leaves no model behind."""
    with pytest.raises(UserError) as caught:
        make(folder, **asked)
    assert not (folder / "tiny").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_is_fetched_once_checked_and_named_by_its_commit(origin: Path, hub: HubServer, tmp_path: Path):
    manifest = make(tmp_path / "one", revision=None)
    assert manifest["source"]["revision"] == COMMIT
    assert manifest["files"][WEIGHTS] == file_sha256(origin / WEIGHTS)
    expected = {file.name for file in origin.iterdir() if file.suffix in (".json", ".jinja")} | {WEIGHTS, "LICENSE"}
    assert set(manifest["files"]) == expected
    assert set(hub.sent) == expected
    sent = dict(hub.sent)
    assert make(tmp_path / "two", revision=None) == manifest
    assert hub.sent == sent
    hub.stop()
    assert make(tmp_path / "three", revision=None) == manifest


def test_the_cache_is_enough_offline(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SUPERFICIAL_HUB_OFFLINE", "1")
    line = refused(tmp_path)
    assert "hub model org/model: it is not in the cache, or only in part" in line
    assert "remedy: run once without HF_HUB_OFFLINE" in line
    assert hub.asked == []
    monkeypatch.setenv("SUPERFICIAL_HUB_OFFLINE", "0")
    manifest = make(tmp_path)
    asked = list(hub.asked)
    monkeypatch.setenv("SUPERFICIAL_HUB_OFFLINE", "1")
    assert make(tmp_path / "again") == manifest
    assert hub.asked == asked


@pytest.mark.fault("models", "a transfer from the hub is cut", "handled: it goes on where it stopped")
def test_a_cut_transfer_goes_on_where_it_stopped(hub: HubServer, tmp_path: Path):
    """The client writes in blocks of 10 MiB: what came of a block that was cut is asked for again."""
    block = 10 * 2**20
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "rows.bin").write_bytes(os.urandom(2 * block + 5000))
    hub.repositories["org/large"] = folder
    hub.cut["rows.bin"] = [block + 3000]
    found = snapshot("org/large", None, kind="dataset", patterns=["rows.bin"])
    assert file_sha256(found.folder / "rows.bin") == file_sha256(folder / "rows.bin")
    assert [first for method, _, first in hub.asked if method == "GET" and first] == [block]
    assert hub.sent["rows.bin"] == 2 * block + 5000 + 3000


def test_a_hub_that_fails_half_way_costs_only_the_missing_file(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    hub.vanished = {WEIGHTS}
    line = refused(tmp_path)
    assert f"org/model: a file is listed and cannot be had: /org/model/resolve/{COMMIT}/{WEIGHTS} | remedy: " in line
    monkeypatch.setenv("SUPERFICIAL_HUB_OFFLINE", "1")
    assert "not in the cache, or only in part, and HF_HUB_OFFLINE is set" in refused(tmp_path)
    monkeypatch.setenv("SUPERFICIAL_HUB_OFFLINE", "0")
    hub.vanished = set()
    before = dict(hub.sent)
    make(tmp_path)
    assert WEIGHTS not in before
    assert {name: hub.sent[name] for name in before} == before


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.fault("models", "the repository is gated", "one line that says what to accept and set; exit code 2")
def test_a_gated_repository_wants_terms_and_a_token(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
):
    hub.gated["org/model"] = status
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf/token").write_text("good")  # left by a login; only the environment counts
    line = refused(tmp_path)
    assert (
        f"org/model: the repository is gated, and HF_TOKEN is not set | remedy: accept its terms on {hub.url}" in line
    )
    monkeypatch.setenv("HF_TOKEN", "bad")
    line = refused(tmp_path)
    assert "the account of HF_TOKEN has no access" in line
    assert "bad" not in line
    monkeypatch.setenv("HF_TOKEN", "good")
    assert "good" not in json.dumps(make(tmp_path))


@pytest.mark.fault(
    "models", "the repository or revision is not there", "one line that names file, key and remedy; exit code 2"
)
def test_what_is_not_there_ends_in_one_line(origin: Path, hub: HubServer, tmp_path: Path):
    assert "hub model no/body: no such repository, or a private one" in refused(tmp_path, repo="no/body")
    assert f"org/model: no revision {'f' * 40} | remedy: take a commit" in refused(tmp_path, revision="f" * 40)
    assert "no *.safetensors | remedy: give a repository" in refused(tmp_path, subfolder="nowhere")
    assert "hub model org/model at 0123456789ab: no config.json" in refused(tmp_path, subfolder="original")
    sharded = tmp_path / "sharded"
    shutil.copytree(origin, sharded)
    index = {"weight_map": {"a": WEIGHTS, "b": "model-2.safetensors"}}
    (sharded / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    hub.repositories["org/sharded"] = sharded
    assert "no model-2.safetensors | remedy: it was renamed" in refused(tmp_path, repo="org/sharded")


def test_pickles_alone_are_refused_before_anything_is_fetched(hub: HubServer, tmp_path: Path):
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    for name in ("pytorch_model-00001-of-00002.bin", "config.json"):
        (pickled / name).write_text("{}")
    hub.repositories["org/pickled"] = pickled
    line = refused(tmp_path, repo="org/pickled")
    assert "only pytorch_model-00001-of-00002.bin, a pickle" in line
    assert f"""M.from_pretrained('org/pickled', revision='{COMMIT}').save_pretrained('pickled'); """ in line
    assert hub.sent == {}


@pytest.mark.fault(
    "models", "the hub's file has another hash than it says", "one line that names file, key and remedy; exit code 2"
)
def test_damaged_weights_are_found(hub: HubServer, tmp_path: Path):
    hub.damaged = {WEIGHTS}
    assert f"{WEIGHTS} is damaged: its sha256 is not" in refused(tmp_path)


@pytest.mark.fault("models", "the hub cannot be reached", "one line that names file, key and remedy; exit code 2")
def test_no_network(hub: HubServer, tmp_path: Path):
    hub.stop()
    assert f"the hub cannot be reached at {hub.url} (" in refused(tmp_path)


@pytest.mark.fault("operating system", "the hub's cache has no space", "one line that names HF_HOME; exit code 2")
def test_a_full_disk_is_told(hub: HubServer, tmp_path: Path):
    """Told from the exception that a write to a full disk raises; no disk was filled for this."""
    program = (
        "import errno, sys, huggingface_hub\n"
        "def full(*args, **kwargs): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "huggingface_hub.snapshot_download = full\n"
        "from superficial.models import hub_client; hub_client.main(sys.argv[1])"
    )
    request = {"repository": "org/model", "revision": COMMIT, "kind": "model", "patterns": ["*"], "ignored": []}
    run = subprocess.run(
        [sys.executable, "-c", program, json.dumps(request)], stdout=subprocess.PIPE, text=True, check=True,
        env=os.environ | {"HF_HUB_OFFLINE": "0"},
    )  # fmt: skip
    error = json.loads(run.stdout)["error"]
    assert error["what"].startswith(f"the disk is full: {tmp_path / 'hf'}")
    assert "set HF_HOME to another disk" in error["remedy"]


def test_a_stage_lifts_offline_for_the_hub_client_alone(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The real command: the user's HF_HUB_OFFLINE holds, and the stage's own process stays off the hub."""
    source = {"kind": "hub", "repo": "org/model", "revision": COMMIT}
    cfg = json.dumps({"name": "tiny", "title": "tiny", "licence": "none", "source": source})
    out = tmp_path / "results/models/tiny/manifest.json"
    command = [sys.executable, "-m", "superficial", "model", "--cfg", cfg, "--runtime"]
    command += [json.dumps(fetch_runtime()), f"out={out}", "base="]
    monkeypatch.delenv("SUPERFICIAL_HUB_OFFLINE")
    for offline, code in (("1", 2), ("0", 0)):
        result = subprocess.run(command, env=os.environ | {"HF_HUB_OFFLINE": offline}, capture_output=True, text=True)
        assert result.returncode == code, result.stderr
        assert out.is_file() == (code == 0)


def fetch_runtime() -> dict[str, object]:
    return {"device": "cpu", "generate_batch": 1, "score_tokens": 64, "position_chunk": 16}


@pytest.mark.usefixtures("hub")
def test_files_of_a_dataset_keep_their_folders(tmp_path: Path):
    found = snapshot("org/model", COMMIT, kind="dataset", patterns=["original/other.safetensors"])
    assert (found.folder / "original/other.safetensors").read_bytes() == b"a third copy"
    assert found.commit == COMMIT
