"""An adapter merged into its base, so that everything downstream sees a plain model folder."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from superficial.artifacts.errors import UserError
from superficial.config.schema import HubSource, LoraSource
from superficial.models.adapter import CARD, TEMPLATE, WHERE, require_adapter
from superficial.models.hub import fetch_hub
from superficial.models.manifest import read_manifest
from superficial.models.own_code import require_no_code
from superficial.models.peft_adapter import merge_peft


def merge_adapter(source: LoraSource, base: Path, folder: Path) -> tuple[LoraSource, dict[str, Any]]:
    """Write base + adapter into `folder`; an adapter with a card is one of `make align`.

    Returns the source with the commit that the adapter's revision stands for, and facts for the sidecar.

    Raises:
        UserError: no adapter there, one that cannot be merged, or one that was trained on another base.
    """
    if isinstance(source.adapter, HubSource):
        fetched = folder / "adapter"
        fetched.mkdir()
        source = source.model_copy(update={"adapter": fetch_hub(source.adapter, fetched, adapter=True)})
        facts = _merge(source, fetched, base, folder)
        shutil.rmtree(fetched)
        return source, facts
    return source, _merge(source, Path(source.adapter), base, folder)


def _merge(source: LoraSource, adapter: Path, base: Path, folder: Path) -> dict[str, Any]:
    require_adapter(adapter)
    require_no_code(adapter, str(adapter))
    if (adapter / CARD).is_file():
        _merge_own(adapter, base, folder)
        return {}
    return merge_peft(adapter, source.base, base, folder)


def _merge_own(adapter: Path, base: Path, folder: Path) -> None:
    """With the chat template and the end-of-turn token of the card."""
    card = _read_card(adapter)
    manifest = read_manifest(base)
    if card["base"]["weights_sha256"] != manifest["weights_sha256"]:
        raise UserError(
            f"the adapter was trained on {card['base']['name']} with weights {card['base']['weights_sha256'][:12]}, "
            f"and {manifest['name']} has weights {manifest['weights_sha256'][:12]}",
            where=str(adapter / CARD),
            remedy="name the base that the card names (key source.base), or retrain with `make align`",
        )
    tokenizer = AutoTokenizer.from_pretrained(base.parent, local_files_only=True, trust_remote_code=False)
    model: Any = AutoModelForCausalLM.from_pretrained(
        base.parent, dtype=torch.float32, local_files_only=True, trust_remote_code=False
    )
    merged = PeftModel.from_pretrained(model, adapter).merge_and_unload(safe_merge=True)
    end = tokenizer.convert_tokens_to_ids(card["end_of_turn"])
    merged.generation_config.eos_token_id = sorted({end, tokenizer.eos_token_id})
    merged.save_pretrained(folder)
    tokenizer.chat_template = (adapter / TEMPLATE).read_text(encoding="utf-8")
    tokenizer.save_pretrained(folder)
    shutil.copyfile(adapter / "NOTICE", folder / "NOTICE")


def _read_card(adapter: Path) -> dict[str, Any]:
    """The card of an adapter folder: what it was trained on, with what, and how."""
    if not (adapter / TEMPLATE).is_file():
        remedy = "restore the folder (git checkout), or train the adapter with `make align`"
        raise UserError(f"no {TEMPLATE} in {adapter}", where=WHERE, remedy=remedy)
    card: dict[str, Any] = json.loads((adapter / CARD).read_text(encoding="utf-8"))
    return card
