"""A LoRA adapter merged into its base, so that everything downstream sees a plain model folder."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from superficial.artifacts.errors import UserError
from superficial.config.schema import LoraSource
from superficial.models.manifest import read_manifest

WEIGHTS = "adapter_model.safetensors"
CARD = "card.json"
TEMPLATE = "chat_template.jinja"


def merge_adapter(source: LoraSource, base: Path, folder: Path) -> None:
    """Write base + adapter into `folder`, with the chat template and the end-of-turn token of the adapter's card.

    Raises:
        UserError: no adapter in the folder, or an adapter that was trained on another base.
    """
    adapter = Path(source.adapter)
    card = read_card(adapter)
    manifest = read_manifest(base)
    if card["base"]["weights_sha256"] != manifest["weights_sha256"]:
        raise UserError(
            f"the adapter was trained on {card['base']['name']} with weights {card['base']['weights_sha256'][:12]}, "
            f"and {manifest['name']} has weights {manifest['weights_sha256'][:12]}",
            where=str(adapter / CARD),
            remedy="name the base that the card names (key source.base), or retrain with `make align`",
        )
    tokenizer = AutoTokenizer.from_pretrained(base.parent, local_files_only=True)
    model: Any = AutoModelForCausalLM.from_pretrained(base.parent, dtype=torch.float32, local_files_only=True)
    merged = PeftModel.from_pretrained(model, adapter).merge_and_unload(safe_merge=True)
    end = tokenizer.convert_tokens_to_ids(card["end_of_turn"])
    merged.generation_config.eos_token_id = sorted({end, tokenizer.eos_token_id})
    merged.save_pretrained(folder)
    tokenizer.chat_template = (adapter / TEMPLATE).read_text(encoding="utf-8")
    tokenizer.save_pretrained(folder)
    shutil.copyfile(adapter / "NOTICE", folder / "NOTICE")


def read_card(adapter: Path) -> dict[str, Any]:
    """The card of an adapter folder: what it was trained on, with what, and how."""
    for name in (WEIGHTS, CARD, TEMPLATE, "adapter_config.json"):
        if not (adapter / name).is_file():
            raise UserError(
                f"no {name} in {adapter}",
                where="model source lora, key adapter",
                remedy="restore the folder (git checkout), or train the adapter with `make align`",
            )
    card: dict[str, Any] = json.loads((adapter / CARD).read_text(encoding="utf-8"))
    return card
