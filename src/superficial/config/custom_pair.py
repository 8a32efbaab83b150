"""A pair that is in no file: what `config/pair/custom.yaml` makes from the two keys `base` and `aligned`."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import digest
from superficial.config.schema import Settings
from superficial.config.schema.model import REPOSITORY

PREFIX = "custom_"
NEEDED = "pair=custom takes base= and aligned=, each ORG/MODEL or a folder"
ADAPTER = "adapter_config.json"  # by which a folder is an adapter


def model_name(where: str | None) -> str:
    """A file name for a folder or a repository of the hub; two never share one, even on a disk that ignores case.

    >>> model_name("HuggingFaceTB/SmolLM2-135M")
    'huggingfacetb_smollm2_135m_dfcb82'
    """
    if where is None:
        raise UserError("base or aligned is not set", where="config, key pair", remedy=NEEDED)
    return f"{re.sub('[^a-z0-9]+', '_', model_title(where).lower())}_{digest(where)[:6]}"


def model_title(where: str | None) -> str:
    """As figures print it: a repository whole, of a folder the last part."""
    found = where or ""
    return Path(found).expanduser().absolute().name if _is_folder(found) else found


def pair_name(base: str | None, aligned: str | None) -> str:
    """A short file name for the pair; any other two models have another one."""
    return f"{PREFIX}{digest([model_name(base), model_name(aligned)])[:8]}"


def with_sources(pair: Any) -> Any:
    """A composed pair in which `kind: found` has become what it is: a folder, an adapter or a repository of the hub.

    Raises:
        UserError: it is none of them.
    """
    for side in ("base", "aligned"):
        model = pair.get(side) if isinstance(pair, Mapping) else None
        source = model.get("source") if isinstance(model, Mapping) else None
        if isinstance(model, Mapping) and isinstance(source, Mapping) and "where" in source:
            pair = {**pair, side: {**model, "source": _source(side, source, pair["base"])}}
    return pair


def _source(side: str, asked: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    where, revision = str(asked["where"]), asked.get("revision")
    is_folder, folder = _is_folder(where), Path(where).expanduser()
    if not is_folder and not re.match(REPOSITORY, where):
        raise UserError(f"no folder {where}, and no ORG/MODEL of the hub", where=f"config, key {side}", remedy=NEEDED)
    if is_folder and revision is not None:
        key, remedy = f"config, key pair.{side}.source.revision", "leave it out, or give ORG/MODEL"
        raise UserError(f"{where} is a folder, which has no commits", where=key, remedy=remedy)
    weights = {"kind": "hub", "repo": where, "revision": revision}
    if asked["kind"] != "lora" and not (is_folder and (folder / ADAPTER).is_file()):
        return {"kind": "local", "path": str(folder)} if is_folder else weights
    if side == "base":
        remedy = "name a whole model, or write a file in config/model/ with source.kind: lora and its base"
        raise UserError(f"{where} is an adapter, and nothing says on what", where="config, key base", remedy=remedy)
    return {"kind": "lora", "adapter": str(folder) if is_folder else weights, "base": base}


def source_of(where: str, key: str) -> dict[str, Any]:
    """Where a model comes from that is named by its folder or its repository of the hub; `key` says who names it."""
    if _is_folder(where):
        return {"kind": "local", "path": str(Path(where).expanduser())}
    if not re.match(REPOSITORY, where):
        remedy = "give a file of config/model/, a folder, or ORG/MODEL"
        raise UserError(f"no model {where}: no folder, and no ORG/MODEL of the hub", where=key, remedy=remedy)
    return {"kind": "hub", "repo": where, "revision": None}


def _is_folder(where: str) -> bool:
    return bool(where) and Path(where).expanduser().is_dir()


def check_custom(settings: Settings, pairs: Collection[str]) -> None:
    """Refuse models that are named for a custom pair when none of `pairs` is one: they would be left out in silence."""
    if (settings.base or settings.aligned) and not any(name.startswith(PREFIX) for name in pairs):
        raise UserError("base and aligned are set, and no pair reads them", where="--config hydra", remedy=NEEDED)
