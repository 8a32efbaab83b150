"""What the folder of an adapter says: its files, and which base it was trained on. No large library is loaded."""

import json
import re
from pathlib import Path
from typing import Any

from superficial.artifacts.errors import UserError
from superficial.config.schema import HubSource, LocalSource, ModelConfig

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
CARD = "card.json"  # what `make align` puts beside an adapter of its own
TEMPLATE = "chat_template.jinja"
WHERE = "model source lora, key adapter"
# Copies of a model in other formats, which adapters name as their base.
FORMAT = re.compile(r"[-_.](unsloth|bnb|4bit|8bit|gptq|awq|int4|int8|nf4|fp16|bf16|hf)(?=[-_.]|$)", re.IGNORECASE)


def require_adapter(folder: Path) -> None:
    """Stop with a UserError where `folder` holds no adapter with safetensors weights."""
    for name in (WEIGHTS, CONFIG):
        if (folder / name).is_file():
            continue
        pickled = (folder / "adapter_model.bin").is_file()
        raise UserError(
            f"no {name} in {folder}" + (": only adapter_model.bin, which can run code when it is loaded" * pickled),
            where=WHERE,
            remedy="give a folder that peft's model.save_pretrained(FOLDER) wrote, or one of `make align`",
        )


def read_config(folder: Path) -> dict[str, Any]:
    """adapter_config.json, as peft wrote it."""
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        remedy = "take the file again from where the adapter came from"
        raise UserError(f"it is no JSON ({error})", where=str(folder / CONFIG), remedy=remedy) from error
    if not isinstance(found, dict) or "peft_type" not in found:
        remedy = "give a folder that peft's model.save_pretrained(FOLDER) wrote"
        raise UserError("it names no peft_type", where=str(folder / CONFIG), remedy=remedy)
    return found


def check_base(folder: Path, base: ModelConfig) -> str | None:
    """A note where nobody can tell whether `base` is the model that the adapter was trained on; null where it is.

    Names are compared without their owners and without the format of copies. Shapes are compared when it is merged.

    Raises:
        UserError: the adapter names another model of the hub than `base` is.
    """
    named = str(read_config(folder).get("base_model_name_or_path") or "")
    source = base.source
    own = (
        source.repo if isinstance(source, HubSource) else source.path if isinstance(source, LocalSource) else base.name
    )
    if named and {_plain(named)} & {_plain(own), _plain(base.name)}:
        return None
    if isinstance(source, HubSource) and re.fullmatch(r"[\w.-]+/[\w.-]+", named) and not Path(named).exists():
        raise UserError(
            f"the adapter was trained on {named}, and the base is {own}",
            where=str(folder / CONFIG),
            remedy=f"take {named} as the base; where both hold one model, write base_model_name_or_path: {own} there",
        )
    trained_on = named or "a base that it does not name"
    return f"{folder}: trained on {trained_on}, merged into {own}; nothing tells whether they are one"


def _plain(name: str) -> str:
    """The last part of a path or repository, in small letters, without the format of a copy.

    >>> _plain("unsloth/Llama-3.2-1B-unsloth-bnb-4bit"), _plain("/models/Llama-3.2-1B/")
    ('llama-3.2-1b', 'llama-3.2-1b')
    """
    return FORMAT.sub("", Path(name).name.lower())
