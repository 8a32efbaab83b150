"""The head read alone is that of the whole model, to the bit."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.reference import HEADS, SIZES, gemma, llama
from support.tiny import make_tokenizer
from transformers import AutoModelForCausalLM, CohereConfig, CohereForCausalLM, PhiConfig, PhiForCausalLM

from superficial.config.schema import ModelConfig
from superficial.models.head import LMHead
from superficial.models.head_file import read_head
from superficial.models.load import load_model
from superficial.models.manifest import write_manifest


def tied() -> Any:
    config = gemma().config
    config.tie_word_embeddings = True
    config.final_logit_softcapping = 20.0
    return type(gemma())(config)


def scaled() -> Any:
    return CohereForCausalLM(CohereConfig(**SIZES, **HEADS, num_hidden_layers=2, logit_scale=0.0625, pad_token_id=0))


def biased() -> Any:
    return PhiForCausalLM(PhiConfig(**SIZES, **HEADS, num_hidden_layers=2))


def saved(model: Any, folder: Path, dtype: str = "float32", shard: str = "1GB") -> Path:
    model.save_pretrained(folder, max_shard_size=shard)
    make_tokenizer(chat=False).save_pretrained(folder)
    source = {"kind": "local", "path": str(folder)}
    about = {"name": "tiny", "title": "T", "licence": "MIT", "source": source, "dtype": dtype}
    write_manifest(folder / "manifest.json", ModelConfig.model_validate(about))
    return folder / "manifest.json"


def same(one: LMHead, other: LMHead) -> None:
    assert torch.equal(one.weight, other.weight)
    assert one.weight.dtype == other.weight.dtype
    assert (one.bias is None) == (other.bias is None)
    assert one.bias is None or torch.equal(one.bias, other.bias)
    assert (one.scale, one.softcap) == (other.scale, other.softcap)


@pytest.mark.parametrize("make", [llama, gemma, tied, scaled, biased])
@pytest.mark.parametrize(("dtype", "shard"), [("float32", "1GB"), ("bfloat16", "1GB"), ("float32", "60KB")])
def test_only_the_head_is_read(make: Any, dtype: str, shard: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(3)
    manifest = saved(make(), tmp_path, dtype, shard)
    assert (tmp_path / "model.safetensors.index.json").is_file() == (shard == "60KB")
    whole = LMHead.of(load_model(manifest, "cpu").model)
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", None)
    found = read_head(manifest, "cpu")
    same(found, whole)
    if make is biased:
        assert found.bias is not None
        assert found.bias.dtype == found.weight.dtype


def test_files_that_name_it_otherwise_are_loaded_whole(tmp_path: Path):
    """A checkpoint without the prefix of the body, and one that holds a tied head twice."""
    torch.manual_seed(3)
    manifest = saved(tied(), tmp_path / "a")
    path = tmp_path / "a/model.safetensors"
    weights = load_file(path)
    (name,) = (name for name in weights if "embed_tokens" in name)
    save_file(weights | {"lm_head.weight": weights[name].clone()}, path, metadata={"format": "pt"})
    same(read_head(manifest, "cpu"), LMHead.of(load_model(manifest, "cpu").model))
    torch.manual_seed(3)
    manifest = saved(tied(), tmp_path / "b")
    path = tmp_path / "b/model.safetensors"
    bare = {name.removeprefix("model."): one for name, one in load_file(path).items()}
    save_file(bare, path, metadata={"format": "pt"})
    same(read_head(manifest, "cpu"), LMHead.of(load_model(manifest, "cpu").model))
    assert json.loads((tmp_path / "b/config.json").read_text())["tie_word_embeddings"]
