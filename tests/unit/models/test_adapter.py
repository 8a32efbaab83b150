"""Adapters that peft saved: what is merged says what the adapter itself said."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PromptTuningConfig, get_peft_model
from support.adapters import ADDED, LINEAR, SIZE, TURNS, make_base, train
from support.hub_server import COMMIT, HubServer
from support.tiny import CHAT
from transformers import LlamaForCausalLM

from superficial.artifacts.errors import UserError
from superficial.config.schema import HubSource, LocalSource, LoraSource, ModelConfig, RuntimeConfig
from superficial.models.adapter import check_base
from superficial.models.load import load_model
from superficial.models.stage import run

RUNTIME = RuntimeConfig(
    device="cpu", generate_batch=4, score_tokens=64, position_chunk=16, gpu_gb=80, job_hours=24, shards=1
)


def merge(base: Path, adapter: Path | HubSource, results: Path) -> Path:
    """The manifest of base + adapter, by the model stage."""
    below = ModelConfig(name="base", licence="none", source=LocalSource(kind="local", path=str(base)))
    run(below, RUNTIME, out=results / "base/manifest.json")
    source = LoraSource(kind="lora", base=below, adapter=str(adapter) if isinstance(adapter, Path) else adapter)
    out = results / "tuned/manifest.json"
    run(ModelConfig(name="tuned", licence="none", source=source), RUNTIME, base=results / "base/manifest.json", out=out)
    return out


KINDS: dict[str, tuple[bool, tuple[str, ...], dict[str, Any]]] = {
    "saved embeddings": (False, ADDED, {"target_modules": LINEAR, "modules_to_save": ["embed_tokens", "lm_head"]}),
    "saved embeddings, tied": (True, ADDED, {"target_modules": LINEAR, "modules_to_save": ["embed_tokens", "lm_head"]}),
    "saved input embeddings, tied": (True, (), {"target_modules": LINEAR, "modules_to_save": ["embed_tokens"]}),
    "tokens trained alone": (False, ADDED, {"target_modules": LINEAR, "trainable_token_indices": [5, SIZE, SIZE + 1]}),
    "tokens trained alone, tied": (True, ADDED, {"target_modules": LINEAR, "trainable_token_indices": [5, SIZE, SIZE + 1]}),
    "embeddings with a lora": (False, ADDED, {"target_modules": ["q_proj", "embed_tokens", "lm_head"]}),
    "embeddings with a lora, tied": (True, (), {"target_modules": ["q_proj", "embed_tokens"]}),
    "embeddings with a lora, tied and kept so": (
        True, ADDED, {"target_modules": ["q_proj", "embed_tokens"], "ensure_weight_tying": True},
    ),
    "ranks": (
        True, (), {"target_modules": LINEAR, "rank_pattern": {"q_proj": 7}, "alpha_pattern": {"up_proj": 3}, "use_rslora": True},
    ),
    "dora": (False, (), {"target_modules": LINEAR, "use_dora": True}),
    "norms": (False, (), {"target_modules": LINEAR, "modules_to_save": ["input_layernorm"]}),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_merged_logits_are_the_adapters_own(kind: str, tmp_path: Path):
    tied, added, config = KINDS[kind]
    base = make_base(tmp_path / "base", tied=tied)
    ids, own = train(
        base, tmp_path / "adapter", added=added, config=config, save_embedding_layers=bool(added) or "auto"
    )
    loaded = load_model(merge(base, tmp_path / "adapter", tmp_path / "results"), "cpu")
    with torch.no_grad():
        found = loaded.model(input_ids=ids).logits
        before = LlamaForCausalLM.from_pretrained(base)(input_ids=ids.clamp(max=SIZE - 1)).logits
    assert (found - own).abs().max() < 1e-5
    assert (own[..., :SIZE] - before).abs().max() > 0.02  # the adapter does something, so the line above says something
    assert found.shape[-1] == SIZE + len(added)


def test_an_adapter_brings_its_tokenizer_its_template_and_its_ends(tmp_path: Path):
    base = make_base(tmp_path / "base")
    (base / "LICENSE").write_text("of the base")
    config = {"target_modules": LINEAR, "modules_to_save": ["embed_tokens", "lm_head"]}
    train(base, tmp_path / "adapter", config=config)
    (tmp_path / "adapter/NOTICE").write_text("of the adapter")
    loaded = load_model(merge(base, tmp_path / "adapter", tmp_path / "results"), "cpu")
    assert loaded.tokenizer.chat_template == TURNS
    names = loaded.tokenizer.convert_ids_to_tokens(loaded.end_ids)
    assert set(names) == {"<eos>", ADDED[1]}  # the template writes this one after an answer; nothing else says so
    folder = tmp_path / "results/tuned"
    assert (folder / "LICENSE").read_text() == "of the base"
    assert (folder / "NOTICE").read_text() == "of the adapter"
    facts = json.loads((folder / "manifest.json.meta.json").read_text())
    assert (facts["rows_added"], facts["adapter_trained_on"]) == (2, str(base))
    assert not (folder / "adapter").exists()


def test_a_template_beside_an_adapter_counts_without_a_tokenizer(tmp_path: Path):
    base = make_base(tmp_path / "base")
    adapter = tmp_path / "adapter"
    train(base, adapter, added=(), config={"target_modules": LINEAR})
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (adapter / name).unlink()
    loaded = load_model(merge(base, adapter, tmp_path / "results"), "cpu")
    assert loaded.tokenizer.chat_template == CHAT


def other_shape(base: Path, adapter: Path) -> None:
    train(make_base(base.parent / "wide", hidden=64), adapter, added=(), config={"target_modules": LINEAR})
    edit(adapter, base_model_name_or_path=str(base))


def more_layers(base: Path, adapter: Path) -> None:
    train(make_base(base.parent / "deep", layers=3), adapter, added=(), config={"target_modules": LINEAR})


def fewer_layers(base: Path, adapter: Path) -> None:
    train(make_base(base.parent / "flat", layers=1), adapter, added=(), config={"target_modules": LINEAR})


def prompt_tuning(base: Path, adapter: Path) -> None:
    model = LlamaForCausalLM.from_pretrained(base)
    get_peft_model(model, PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)).save_pretrained(adapter)


def rows_left_out(base: Path, adapter: Path) -> None:
    """The input embeddings alone were saved of a model with two heads."""
    from safetensors.torch import load_file, save_file

    train(base, adapter, config={"target_modules": LINEAR, "modules_to_save": ["embed_tokens"]})
    kept = {
        name: value for name, value in load_file(adapter / "adapter_model.safetensors").items() if "lm_head" not in name
    }
    save_file(kept, adapter / "adapter_model.safetensors", metadata={"format": "pt"})


def no_rows(base: Path, adapter: Path) -> None:
    train(base, adapter, config={"target_modules": LINEAR}, save_embedding_layers=False)


def pickled(base: Path, adapter: Path) -> None:
    train(base, adapter, added=(), config={"target_modules": LINEAR})
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")


def broken(base: Path, adapter: Path) -> None:
    train(base, adapter, added=(), config={"target_modules": LINEAR})
    (adapter / "adapter_config.json").write_text('{"peft_type": ')


def edit(adapter: Path, **changes: Any) -> None:
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (other_shape, r"it does not fit the base: .*size mismatch.*\| remedy: name the base"),
        (more_layers, r"layers\.2\..* has no counterpart in it and the base"),
        (fewer_layers, r"layers\.1\..* has no counterpart in it and the base"),
        (prompt_tuning, r"PROMPT_TUNING changes no weights"),
        (rows_left_out, r"no numbers for 2 added tokens \(id 306 first\).*save_embedding_layers=True"),
        (no_rows, r"the chat template writes '<\|im_end\|>' \(id 307\), and the embeddings have 306 rows"),
        (pickled, r"no adapter_model\.safetensors in .*adapter_model\.bin, which can run code"),
        (broken, r"adapter_config\.json: it is no JSON"),
    ],
)
@pytest.mark.fault("adapters", "its matrices do not fit the base", "one line; exit code 2; nothing half-written")
@pytest.mark.fault("adapters", "it has more layers than the base", "one line; exit code 2; nothing half-written")
@pytest.mark.fault("adapters", "it has fewer layers than the base", "one line; exit code 2; nothing half-written")
@pytest.mark.fault("adapters", "it changes no weights (prompt tuning)", "one line; exit code 2; nothing half-written")
@pytest.mark.fault("adapters", "added tokens have no output rows", "one line; exit code 2; nothing half-written")
@pytest.mark.fault(
    "adapters", "its template writes tokens that have no rows", "one line; exit code 2; nothing half-written"
)
@pytest.mark.fault("adapters", "its weights are pickled", "one line; exit code 2; nothing half-written")
@pytest.mark.fault("adapters", "adapter_config.json is cut short", "one line; exit code 2; nothing half-written")
def test_an_adapter_that_cannot_be_merged_exactly_is_refused_in_one_line(make: Any, told: str, tmp_path: Path):
    base = make_base(tmp_path / "base")
    make(base, tmp_path / "adapter")
    with pytest.raises(UserError, match=told) as caught:
        merge(base, tmp_path / "adapter", tmp_path / "results")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "results/tuned").exists()


@pytest.mark.fault("adapters", "it names another base", "one line that names both; exit code 2")
def test_the_base_is_compared_by_name(tmp_path: Path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()

    def checked(trained_on: str | None, **source: str) -> str | None:
        (adapter / "adapter_config.json").write_text(
            json.dumps({"peft_type": "LORA", "base_model_name_or_path": trained_on})
        )
        return check_base(adapter, ModelConfig.model_validate({"name": "own", "licence": "x", "source": source}))

    hub = {"kind": "hub", "repo": "org/Llama-3-8B"}
    for same in ("org/Llama-3-8B", "mirror/llama-3-8b", "unsloth/llama-3-8b-bnb-4bit", "/data/Llama-3-8B/"):
        assert checked(same, **hub) is None
    assert checked("org/Llama-3-8B", kind="local", path="/models/llama-3-8b") is None
    with pytest.raises(
        UserError, match=r"trained on org/Llama-3-8B-Instruct, and the base is org/Llama-3-8B \| remedy"
    ):
        checked("org/Llama-3-8B-Instruct", **hub)
    for unknown in (None, "/scratch/run7/checkpoint-500"):
        assert "nothing tells whether they are one" in str(checked(unknown, **hub))
    assert "nothing tells" in str(checked("org/Llama-3-8B", kind="local", path="/models/mine"))


def test_an_adapter_of_the_hub_is_merged_and_named_by_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    base = make_base(tmp_path / "base")
    config = {"target_modules": LINEAR, "modules_to_save": ["embed_tokens", "lm_head"]}
    ids, own = train(base, tmp_path / "adapter", config=config)
    (tmp_path / "adapter/training_args.bin").write_bytes(b"pickle")
    with HubServer({"org/Adapter": tmp_path / "adapter"}) as hub:
        hub.use(monkeypatch, tmp_path / "hf")
        out = merge(base, HubSource(kind="hub", repo="org/Adapter"), tmp_path / "results")
        alone = ModelConfig(name="alone", licence="x", source=HubSource(kind="hub", repo="org/Adapter"))
        with pytest.raises(
            UserError, match=r"it is an adapter, no whole model \| remedy: pair\.aligned\.source\.kind=lora"
        ):
            run(alone, RUNTIME, out=tmp_path / "results/alone/manifest.json")
    with torch.no_grad():
        assert (load_model(out, "cpu").model(input_ids=ids).logits - own).abs().max() < 1e-5
    manifest = json.loads(out.read_text())
    assert manifest["source"]["adapter"]["revision"] == COMMIT
    assert not [name for name in manifest["files"] if "adapter" in name or name.endswith(".bin")]
    assert "training_args.bin" not in hub.sent


@pytest.mark.fault("adapters", "it is given where a whole model belongs", "one line that says what it is; exit code 2")
def test_an_adapter_as_a_whole_model_is_told_what_it_is(tmp_path: Path):
    train(make_base(tmp_path / "base"), tmp_path / "adapter", config={"target_modules": LINEAR})
    source = LocalSource(kind="local", path=str(tmp_path / "adapter"))
    with pytest.raises(UserError, match=r"is an adapter, no whole model.*\| remedy: source: \{kind: lora"):
        run(
            ModelConfig(name="alone", licence="x", source=source), RUNTIME, out=tmp_path / "results/alone/manifest.json"
        )
