"""Whether files are there as a run would make them. Their sidecars tell."""

import json
from collections.abc import Mapping
from pathlib import Path

from superficial.artifacts.files import file_sha256, sidecar_of
from superficial.pipeline.provenance.sidecars import inputs_of


def current(made: Mapping[str, str]) -> bool:
    """Whether each of the files was made from its slice (JSON), and from inputs that are still what they were."""
    return all(_current(Path(file), json.loads(cfg)) for file, cfg in made.items())


def _current(file: Path, cfg: object) -> bool:
    sidecar = sidecar_of(file)
    if not file.is_file() or not sidecar.is_file():
        return False
    meta = json.loads(sidecar.read_text(encoding="utf-8"))
    read = {Path(path): sha256 for path, sha256 in inputs_of(meta).items()}
    return meta["config"] == cfg and all(one.is_file() and file_sha256(one) == sha256 for one, sha256 in read.items())
