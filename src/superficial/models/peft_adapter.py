"""Any adapter that peft saved, merged into its base: resized and saved embeddings, tied ones, tokens trained alone."""

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase

from superficial.artifacts.errors import UserError
from superficial.config.schema import ModelConfig
from superficial.models.adapter import CONFIG, TEMPLATE, WEIGHTS, check_base, read_config
from superficial.models.chat_end import template_end
from superficial.models.local import link_or_copy

PREFIX = "base_model.model."
TOKENIZER = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")
PAPERS = ("LICENSE*", "NOTICE*", "USE_POLICY*")
ALL_TOKENS = "save it with model.save_pretrained(FOLDER, save_embedding_layers=True)"


def merge_peft(adapter: Path, base: ModelConfig, manifest: Path, folder: Path) -> dict[str, Any]:
    """Write the base beside `manifest` with the adapter merged in, in float32, into `folder`; facts for the sidecar.

    Tokenizer and chat template are the adapter's where it has them, else the base's. A response ends with the end
    tokens of the base, of that tokenizer, and with what the template writes after an answer.

    Raises:
        UserError: another base by name or shape, an adapter that is no change of weights, rows that are in no file.
    """
    note = check_base(adapter, base)
    if note:
        print(f"note: {note}", file=sys.stderr)
    tokenizer = _tokenizer(adapter, manifest.parent)
    model: Any = AutoModelForCausalLM.from_pretrained(
        manifest.parent, dtype=torch.float32, local_files_only=True, trust_remote_code=False
    )
    before = model.get_input_embeddings().weight.shape[0]
    rows = _rows(adapter, model)
    if rows != before:
        model.resize_token_embeddings(rows, mean_resizing=False)
        _blank(model, before)
    merged = _merged(model, adapter)
    _check_rows(merged, adapter, before)
    _check_template(tokenizer, rows, adapter)
    _untie(merged)
    generation = merged.generation_config
    if (adapter / "generation_config.json").is_file():
        generation = merged.generation_config = GenerationConfig.from_pretrained(adapter, local_files_only=True)
    ends = generation.eos_token_id if generation.eos_token_id is not None else merged.config.eos_token_id
    ends = {*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id, template_end(tokenizer)}
    generation.eos_token_id = sorted(int(end) for end in ends - {None} if end < rows) or None
    merged.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for pattern in PAPERS:
        for file in sorted([*manifest.parent.glob(pattern), *adapter.glob(pattern)]):
            (folder / file.name).unlink(missing_ok=True)
            link_or_copy(file, folder / file.name)
    trained_on = read_config(adapter).get("base_model_name_or_path")
    return {"adapter_trained_on": trained_on, "rows_added": rows - before}


def _tokenizer(adapter: Path, base: Path) -> PreTrainedTokenizerBase:
    own = any((adapter / name).is_file() for name in TOKENIZER)
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)
    template = found.chat_template
    if own:
        found = AutoTokenizer.from_pretrained(adapter, local_files_only=True, trust_remote_code=False)
        template = found.chat_template or template
    elif (adapter / TEMPLATE).is_file():
        template = (adapter / TEMPLATE).read_text(encoding="utf-8")
    found.chat_template = template
    return found


def _rows(adapter: Path, model: Any) -> int:
    """Rows of the embeddings that the adapter was trained with: as its tensors have them, else those of the base."""
    layers = {id(layer): layer for layer in (model.get_input_embeddings(), model.get_output_embeddings())}
    names = [f"{PREFIX}{name}." for name, module in model.named_modules() if id(module) in layers]
    found = set()
    with safe_open(adapter / WEIGHTS, framework="pt") as tensors:
        for key in tensors.keys():  # noqa: SIM118 (no mapping)
            shape = tensors.get_slice(key).get_shape()
            if not key.startswith(tuple(names)):
                continue
            if key.endswith("lora_embedding_A"):
                found.add(shape[1])
            elif key.endswith(".lora_B.weight") or ("lora" not in key and key.endswith(".weight") and len(shape) == 2):
                found.add(shape[0])
    if len(found) > 1:
        said = " and ".join(map(str, sorted(found)))
        remedy = "take all files of the adapter from one training"
        raise UserError(f"its embeddings have {said} rows", where=str(adapter / WEIGHTS), remedy=remedy)
    trained = read_config(adapter).get("trainable_token_indices") or []
    ids = [token for group in (trained.values() if isinstance(trained, Mapping) else [trained]) for token in group]
    return int(found.pop()) if found else max(model.get_input_embeddings().weight.shape[0], *(id + 1 for id in ids), 0)


def _blank(model: Any, before: int) -> None:
    """No number in added rows: what the adapter does not bring must not pass for trained."""
    with torch.no_grad():
        for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
            layer.weight[before:] = float("nan")
            if getattr(layer, "bias", None) is not None:
                layer.bias[before:] = float("nan")


def _merged(model: Any, adapter: Path) -> Any:
    """The model with the adapter in its weights; every tensor of the adapter has found its place."""
    where, remedy = str(adapter / CONFIG), "name the base that it was trained on (source.base, or base= of pair=custom)"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it warns of is looked at below
            tuned: Any = PeftModel.from_pretrained(model, adapter)
            if tuned.active_peft_config.is_prompt_learning or not hasattr(tuned, "merge_and_unload"):
                kind = tuned.active_peft_config.peft_type.value
                raise UserError(
                    f"{kind} changes no weights, so it cannot be merged", where=where, remedy="take another"
                )
            told = tuned.load_adapter(adapter, "default")
            odd = [*_unplaced(adapter, told.unexpected_keys), *told.missing_keys]
            if odd:
                raise UserError(f"{odd[0]} has no counterpart in it and the base", where=where, remedy=remedy)
            _part(tuned)
            return tuned.merge_and_unload()
    # peft and torch tell of an adapter that does not fit by any of these.
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
        said = next((line for line in str(error).split("\n")[::-1] if line.strip()), type(error).__name__)
        raise UserError(f"it does not fit the base: {said[:300]}", where=where, remedy=remedy) from error


def _unplaced(adapter: Path, keys: list[str]) -> list[str]:
    """The `keys` whose tensors stand under no other name; peft saves some twice, also as training calls them."""
    with safe_open(adapter / WEIGHTS, framework="pt") as tensors:
        names = tensors.keys()
        others = [tensors.get_tensor(key) for key in names if key not in keys] if keys else []
        return [key for key in keys if not any(torch.equal(tensors.get_tensor(key), other) for other in others)]


def _part(tuned: Any) -> None:
    """Tied embeddings become two tensors: what is merged into the one changes the other only where it says so, too."""
    seen: set[int] = set()
    for module in tuned.modules():
        weight = module._parameters.get("weight")
        if weight is not None and id(weight) in seen:
            module.weight = torch.nn.Parameter(weight.detach().clone(), requires_grad=False)
        elif weight is not None:
            seen.add(id(weight))


def _check_rows(merged: Any, adapter: Path, before: int) -> None:
    for layer in (merged.get_input_embeddings(), merged.get_output_embeddings()):
        missing = (~torch.isfinite(layer.weight[before:])).any(dim=1).nonzero()[:, 0] + before
        if len(missing):
            what = f"it has no numbers for {len(missing)} added tokens (id {int(missing[0])} first)"
            raise UserError(what, where=str(adapter / WEIGHTS), remedy=ALL_TOKENS)


def _check_template(tokenizer: PreTrainedTokenizerBase, rows: int, adapter: Path) -> None:
    """Tokens beyond the embeddings are never met, unless the chat template writes them."""
    for text, token in tokenizer.get_added_vocab().items():
        if token >= rows and text in str(tokenizer.chat_template or ""):
            what = f"the chat template writes {text!r} (id {token}), and the embeddings have {rows} rows"
            raise UserError(what, where=str(adapter / WEIGHTS), remedy=ALL_TOKENS)


def _untie(merged: Any) -> None:
    """Embeddings that no longer are one tensor are saved as two."""
    own, head = merged.get_input_embeddings().weight, merged.get_output_embeddings().weight
    config = merged.config.get_text_config()
    if config.tie_word_embeddings and own is not head and not torch.equal(own, head):
        merged.config.tie_word_embeddings = config.tie_word_embeddings = False
        merged.all_tied_weights_keys = {}
