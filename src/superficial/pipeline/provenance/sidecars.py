"""Sidecars as a graph: which artifact a file belongs to, and what that was made from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import SIDECAR, digest


@dataclass(frozen=True)
class Artifact:
    """What one sidecar describes; `name` is its path without the suffix of sidecars."""

    name: str
    meta: dict[str, Any]

    @cached_property
    def outputs(self) -> dict[str, str]:
        """sha256 of every file of it, by path; those of a model's folder are in its manifest already."""
        found: dict[str, str] = dict(self.meta["outputs"])
        return found | {str(Path(self.name).parent / name): sha for name, sha in self.model.get("files", {}).items()}

    @cached_property
    def inputs(self) -> dict[str, str]:
        """sha256 that each input had, by path."""
        return inputs_of(self.meta)

    @cached_property
    def model(self) -> dict[str, Any]:
        """The manifest that a model's folder has; of anything else nothing."""
        if self.meta["stage"] not in ("model", "embedding_model"):
            return {}
        found: dict[str, Any] = json.loads(Path(self.name).read_text(encoding="utf-8"))
        return found

    @cached_property
    def sources(self) -> str:
        """What identifies the source files that made it."""
        return digest(self.meta["code"])


def inputs_of(meta: Mapping[str, Any]) -> dict[str, str]:
    """sha256 that each input of a sidecar had, by path.

    >>> inputs_of({"inputs": {"data": {"path": "results/data/demo.parquet", "sha256": "5e0f"}}})
    {'results/data/demo.parquet': '5e0f'}
    """
    return {entry["path"]: entry["sha256"] for entry in meta["inputs"].values()}


def read_sidecars(results: Path) -> dict[str, Artifact]:
    """Every artifact below `results`, by the path of each of its files."""
    found: dict[str, Artifact] = {}
    for path in sorted(results.rglob(f"*{SIDECAR}")):
        meta = json.loads(path.read_text(encoding="utf-8"))
        if "outputs" in meta:  # else it was written by an older version, whose artifacts the workflow makes again
            artifact = Artifact(str(path).removesuffix(SIDECAR), meta)
            found |= dict.fromkeys(artifact.outputs, artifact)
    return found


def chain(file: str, known: dict[str, Artifact], results: Path) -> list[Artifact]:
    """The artifact of `file` and everything it was made from, what comes first standing first.

    Raises:
        UserError: a file below `results` that no sidecar names.
    """
    links: dict[str, Artifact] = {}
    seen: set[str] = set()  # systems share their inputs

    def visit(path: str) -> None:
        one = _artifact(path, known)
        if one.name not in seen:
            seen.add(one.name)
            for read in one.inputs:
                if Path(read).is_relative_to(results):
                    visit(read)
            links[one.name] = one

    visit(file)
    return list(links.values())


def _artifact(file: str, known: dict[str, Artifact]) -> Artifact:
    if file not in known:
        raise UserError("no sidecar says how it was made", where=file, remedy="delete it and run the workflow again")
    return known[file]
