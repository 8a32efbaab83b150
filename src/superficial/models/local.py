"""Models in a folder of the user's: safetensors only, linked or copied into results."""

import os
import shutil
from pathlib import Path

from safetensors import SafetensorError, safe_open

from superficial.artifacts.errors import UserError
from superficial.config.schema import LocalSource
from superficial.models.adapter import CONFIG as ADAPTER

UNSAFE = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.joblib", "*.py", "*.pyc", "*.so")  # may run code


def copy_local(source: LocalSource, folder: Path) -> None:
    """Fill `folder` with the model at `source.path`; weights are hard links where the file system can, else copies."""
    origin = Path(source.path)
    if not origin.is_dir():
        raise UserError(
            f"no folder {origin}", where="model source local, key path", remedy="give the folder of a model"
        )
    if (origin / ADAPTER).is_file() and not (origin / "config.json").is_file():
        remedy = "source: {kind: lora, adapter: FOLDER} with its base, or aligned=FOLDER of pair=custom"
        raise UserError(f"{origin} is an adapter, no whole model", where="model source local, key path", remedy=remedy)
    if not list(origin.glob("*.safetensors")):
        pickled = [file.name for pattern in UNSAFE[:-3] for file in origin.glob(pattern)]
        why = f"only {pickled[0]}, which can run code when it is loaded" if pickled else "no weights"
        raise UserError(
            f"no safetensors in {origin}: {why}",
            where="model source local, key path",
            remedy="save the model again with model.save_pretrained(folder), which writes safetensors",
        )
    for file in sorted(origin.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt"):
                pass
        except SafetensorError as error:
            raise UserError(
                f"{file} is damaged ({error})",
                where="model source local, key path",
                remedy="copy it there again",
            ) from error
    for file in sorted(origin.iterdir()):
        if file.is_file() and not any(file.match(pattern) for pattern in UNSAFE):
            link_or_copy(file, folder / file.name)


def link_or_copy(file: Path, target: Path) -> None:
    """Weights as a hard link where the file system can; everything else is copied, so that an edit changes one file."""
    if file.suffix == ".safetensors":
        try:
            os.link(file.resolve(), target)
            return
        except OSError:
            pass
    shutil.copyfile(file, target)
