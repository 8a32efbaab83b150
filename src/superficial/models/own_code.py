"""Models that bring code of their own (`auto_map`): refused, because a model's files must run nothing here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from superficial.artifacts.errors import UserError


def require_no_code(folder: Path, origin: str) -> None:
    """Stop where the model or tokenizer in `folder`, which came from `origin`, needs code that comes with it.

    A file may name such code and need none: transformers has a class of its own for it, and that one is taken.

    Raises:
        UserError: transformers has no class for it.
    """
    loads: dict[str, Callable[[Path], None]] = {"config.json": _load_config, "tokenizer_config.json": _load_tokenizer}
    for name, load in loads.items():
        if not (folder / name).is_file():
            continue
        named = _auto_map(folder / name)
        if not named:
            continue
        try:
            load(folder)
        except (ValueError, KeyError, OSError) as error:
            raise UserError(
                f"it needs code of its own ({', '.join(sorted(named))}), and code of a model is never run here",
                where=f"{origin}/{name}",
                remedy="take a version of the model that transformers supports itself (no auto_map)",
            ) from error


def _auto_map(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:  # who loads it says what is wrong
        return {}
    named = found.get("auto_map") if isinstance(found, dict) else None
    return named if isinstance(named, dict) else {"auto_map": named} if named else {}


def _load_config(folder: Path) -> None:
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise KeyError(config.model_type)


def _load_tokenizer(folder: Path) -> None:
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
