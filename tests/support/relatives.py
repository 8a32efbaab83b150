"""Tiny models that differ from another in their vocabulary alone."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from superficial.config.schema import LocalSource, ModelConfig
from superficial.models.manifest import write_manifest

Edit = Callable[[dict[str, Any]], None]


def relative(source: Path, target: Path, *, edit: Edit | None = None, order: Sequence[int] = (), rows: int = 0) -> Path:
    """Copy a model to `target`, edit its tokenizer.json, put the rows of both embeddings into `order`, add random rows.

    Returns the manifest that it writes.
    """
    shutil.copytree(source, target)
    tokenizer = json.loads((target / "tokenizer.json").read_text())
    if edit:
        edit(tokenizer)
    (target / "tokenizer.json").write_text(json.dumps(tokenizer))
    weights = load_file(target / "model.safetensors")
    generator = torch.Generator().manual_seed(11)
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        weight = weights[name][list(order)] if order else weights[name]
        more = 0.35 * torch.randn(rows, weight.shape[1], generator=generator)
        weights[name] = torch.cat([weight, more])
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(config | {"vocab_size": len(weights["lm_head.weight"])}))
    manifest = target / "manifest.json"
    source_config = LocalSource(kind="local", path=str(source))
    write_manifest(manifest, ModelConfig(name=target.name, title="t", licence="none", source=source_config))
    return manifest


def add_token(text: str, token: int) -> Edit:
    """A special token beyond the others."""

    def edit(tokenizer: dict[str, Any]) -> None:
        tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "content": text, "id": token})

    return edit


def rename(**names: str) -> Edit:
    """Special tokens, without their brackets, under other names; swapping two names swaps their ids."""
    full = {f"<{old}>": f"<{new}>" for old, new in names.items()}

    def edit(tokenizer: dict[str, Any]) -> None:
        for entry in tokenizer["added_tokens"]:
            entry["content"] = full.get(entry["content"], entry["content"])
        vocabulary = tokenizer["model"]["vocab"]
        tokenizer["model"]["vocab"] = {full.get(text, text): token for text, token in vocabulary.items()}

    return edit
