"""The manifest of a model folder: what the model is, by content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from superficial.artifacts.damage import undamaged
from superficial.artifacts.errors import UserError
from superficial.artifacts.files import digest, file_sha256

if TYPE_CHECKING:  # models are read without the configuration's library (bench/card.py)
    from superficial.config.schema import ModelConfig

FILE_NAME = "manifest.json"


def write_manifest(path: Path, cfg: ModelConfig) -> None:
    """Write the manifest of the folder that `path` lies in: source, licence, hashes, parameter count, stored dtype."""
    folder = path.parent
    hashes = {file.name: file_sha256(file) for file in sorted(folder.iterdir()) if file.is_file() and file != path}
    weights = {name: value for name, value in hashes.items() if name.endswith(".safetensors")}
    parameters, dtypes = _count(folder / name for name in weights)
    manifest = {
        "name": cfg.name,
        "licence": cfg.licence,
        "dtype": cfg.dtype,
        "source": cfg.source.model_dump(mode="json"),
        "parameters": parameters,
        "stored_dtypes": dtypes,
        "files": hashes,
        "weights_sha256": digest(weights),
    }
    path.write_text(json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest and see that its weights still lie beside it."""
    if not path.is_file():
        raise UserError("no such model", where=str(path), remedy="fetch it: run the workflow, it makes this file")
    with undamaged(path):
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(manifest, dict) or "files" not in manifest:
            raise ValueError("no manifest of a model")
    for name in manifest["files"]:
        if not (path.parent / name).is_file():
            raise UserError(f"{name} is gone", where=str(path), remedy=f"delete {path.parent} and run again")
    return manifest


def model_key(manifest: dict[str, Any]) -> str:
    """What identifies a model by content: all its files and the dtype it is computed in."""
    return digest([manifest["files"], manifest["dtype"]])


def _count(files: Any) -> tuple[int, list[str]]:
    """Number of stored parameters, and the dtypes they are stored in."""
    parameters, dtypes = 0, set()
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (safe_open is no mapping)
                tensor = tensors.get_slice(name)
                count = 1
                for side in tensor.get_shape():
                    count *= side
                parameters += count
                dtypes.add(tensor.get_dtype())
    return parameters, sorted(dtypes)
