"""Load a model folder for inference on the device at hand."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedTokenizerBase,
)

from superficial.artifacts.collector import collector_paused
from superficial.artifacts.damage import undamaged
from superficial.artifacts.errors import UserError
from superficial.models.manifest import model_key, read_manifest
from superficial.models.memory import Footprint
from superficial.models.placement import Place, pick_device, place


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to run, and what identifies it. Its weights are read when they are first asked for."""

    read: Callable[[], Any]  # what `model` is
    tokenizer: PreTrainedTokenizerBase
    manifest: dict[str, Any]
    device: torch.device
    dtype: torch.dtype
    end_ids: list[int]  # token ids that end a response
    max_length: int  # longest sequence, in tokens, that the model has positions for
    footprint: Footprint | None = None  # what its work takes of memory; known of every model that has a folder
    cards: tuple[int, ...] = ()  # that it lies on

    @cached_property
    def model(self) -> Any:
        """A transformers causal language model, in eval mode."""
        return self.read()

    @property
    def facts(self) -> dict[str, Any]:
        """For the sidecar: what this ran on. It may decide the last digits, and in half precision a token.

        No attention where the weights were never read.
        """
        card = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else None
        read = "model" in vars(self)
        attention = getattr(self.model.config, "_attn_implementation", None) if read else None
        return {"device": str(self.device), "card": card, "dtype": str(self.dtype), "attention": attention}

    @property
    def exact(self) -> bool:
        """Whether other rows in a batch change no token: not in half precision."""
        return self.dtype == torch.float32

    @property
    def key(self) -> str:
        """Identifies the model by content and by the numbers it computes in."""
        return f"{model_key(self.manifest)}-{number_format(self.dtype)}"


def load_model(manifest_path: Path, device: str) -> LoadedModel:
    """The model beside `manifest_path`; `device` is "auto" or a torch device.

    With "auto" it lies on the card with most room, or where none has enough on all cards that this process sees.
    Raises UserError for an encoder-decoder model, and for one that the cards cannot hold.
    """
    (loaded,) = load_models([manifest_path], device)
    return loaded


def load_models(manifest_paths: Sequence[Path], device: str) -> list[LoadedModel]:
    """As `load_model`, for models that are in memory at once."""
    manifests = [read_manifest(path) for path in manifest_paths]
    dtypes = [pick_dtype(manifest["dtype"], pick_device(device)) for manifest in manifests]
    weights = [float(one["parameters"] * dtype.itemsize) for one, dtype in zip(manifests, dtypes, strict=True)]
    places = place(weights, device, " and ".join(manifest["name"] for manifest in manifests))
    return [_loaded(*one) for one in zip(manifest_paths, manifests, dtypes, places, strict=True)]


def _loaded(path: Path, manifest: dict[str, Any], dtype: torch.dtype, where: Place) -> LoadedModel:
    folder = path.parent

    def read() -> Any:
        kind: Any = AutoModelForCausalLM
        with undamaged(folder):
            model = kind.from_pretrained(
                folder,
                dtype=dtype,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                **where.arguments,
            )
        return model.eval()

    config, tokenizer = load_config(path), load_tokenizer(path)
    if config.is_encoder_decoder:
        raise UserError(
            f"{manifest['name']} is an encoder-decoder model ({config.model_type}), whose answers continue no prompt",
            where=f"config/model/{manifest['name']}.yaml",
            remedy="take a decoder-only model",
        )
    ends, text = load_end_ids(path, tokenizer), config.get_text_config()
    taken = footprint(text, manifest["parameters"], dtype)
    return LoadedModel(
        read, tokenizer, manifest, where.device, dtype, ends, longest_sequence(text), taken, tuple(where.cards)
    )


def footprint(config: Any, parameters: int, dtype: torch.dtype) -> Footprint:
    """What a model with this text config takes of memory; a number that its config lacks is taken on the large side."""
    hidden, heads = int(config.hidden_size), int(getattr(config, "num_attention_heads", None) or 1)
    return Footprint(
        weights=float(parameters * dtype.itemsize),
        width=dtype.itemsize,
        layers=int(config.num_hidden_layers),
        hidden=hidden,
        kv_heads=int(getattr(config, "num_key_value_heads", None) or heads),
        head_dim=int(getattr(config, "head_dim", None) or -(-hidden // heads)),
        vocabulary=int(config.vocab_size),
    )


def longest_sequence(config: Any) -> int:
    """Longest sequence, in tokens, that a model with this text config can read, alone or in a batch.

    LongRoPE (Phi-3) takes other factors for a whole batch as soon as one of its rows is longer than the model was first
    trained for: all rows of that batch would be read as if by another model. So the first length counts.
    """
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") == "longrope":
        return int(rope["original_max_position_embeddings"])
    return int(getattr(config, "max_position_embeddings", 1 << 30))


def load_tokenizer(manifest_path: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer beside `manifest_path`; a UserError where there is none that can be used."""
    with _readable(manifest_path.parent, "tokenizer"), collector_paused():
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            manifest_path.parent, local_files_only=True, trust_remote_code=False
        )
    return tokenizer


def load_config(manifest_path: Path) -> Any:
    """The transformers configuration beside `manifest_path`; a UserError where there is none that can be used."""
    with _readable(manifest_path.parent, "config.json"):
        return AutoConfig.from_pretrained(manifest_path.parent, local_files_only=True, trust_remote_code=False)


@contextmanager
def _readable(folder: Path, what: str) -> Iterator[None]:
    """Whatever a library says of the small files of a model, in one line that names the folder."""
    try:
        yield
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise UserError(
            f"its {what} cannot be read ({said})", where=str(folder),
            remedy=f"mend it where the model came from, and delete {folder}",
        ) from error  # fmt: skip


def load_end_ids(manifest_path: Path, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids that end a response, without the weights; `tokenizer` is the model's."""
    folder = manifest_path.parent
    if (folder / "generation_config.json").is_file():
        return _end_ids(GenerationConfig.from_pretrained(folder, local_files_only=True), tokenizer)
    return _end_ids(load_config(manifest_path).get_text_config(), tokenizer)


def _end_ids(config: Any, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    ends = config.eos_token_id
    if ends is None:
        ends = tokenizer.eos_token_id
    if ends is None:
        raise UserError(
            "nothing says which token ends a response",
            where=str(tokenizer.name_or_path),
            remedy="write eos_token_id into generation_config.json there",
        )
    return sorted(ends) if isinstance(ends, list) else [int(ends)]


def number_format(dtype: torch.dtype) -> str:
    """What a model of this `dtype` computes in: part of the key of all work that is kept.

    >>> number_format(torch.float32), number_format(torch.bfloat16)
    ('torch.float32', 'torch.bfloat16, logits in torch.float32')
    """
    return str(dtype) if dtype == torch.float32 else f"{dtype}, logits in torch.float32"


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype named; "auto" is bfloat16 only on GPUs that compute in it (on a CPU it can be 300 times slower).

    Older ones (V100, T4) say that they have it and emulate it: they get float16.
    """
    if name != "auto":
        dtype: torch.dtype = getattr(torch, name)
        return dtype
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
