"""The LM head of a model folder, read alone: a comparison needs no body."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM

from superficial.models.head import LMHead
from superficial.models.load import load_model, pick_dtype
from superficial.models.manifest import read_manifest
from superficial.models.placement import pick_device


def read_head(manifest_path: Path, device: str) -> LMHead:
    """The head of the model beside `manifest_path`, on one device, to the bit that of the loaded model.

    Only its own tensors are read. Where the files name them otherwise than the model does, the whole model is loaded.
    """
    manifest, folder = read_manifest(manifest_path), manifest_path.parent
    kind: Any = AutoModelForCausalLM
    with torch.device("meta"):  # the model's form without its weights
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = kind.from_config(config, trust_remote_code=False)
    where, form = _files(folder), LMHead.of(model)
    layer, chosen = model.get_output_embeddings(), pick_device(device)
    dtype = pick_dtype(manifest["dtype"], chosen)
    read: dict[str, torch.Tensor | None] = {"weight": None, "bias": None}
    for part in read:
        wanted = getattr(layer, part, None)
        if wanted is None:
            continue
        # A tied head has two names, of which the files hold one.
        names = [name for name, one in model.named_parameters(remove_duplicate=False) if one is wanted]
        found = [name for name in names if name in where]
        if len(found) != 1:
            return LMHead.of(load_model(manifest_path, device).model)
        with safe_open(where[found[0]], framework="pt") as file:
            read[part] = file.get_tensor(found[0]).to(device=chosen, dtype=dtype)
    assert read["weight"] is not None
    return replace(form, weight=read["weight"], bias=read["bias"])


def _files(folder: Path) -> dict[str, Path]:
    """In which file each tensor lies."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        listed: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {name: folder / file for name, file in listed.items()}
    path = folder / "model.safetensors"
    if not path.is_file():
        return {}
    with safe_open(path, framework="pt") as file:
        return dict.fromkeys(file.keys(), path)
