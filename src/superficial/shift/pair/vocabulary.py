"""What one model's files say about its vocabulary; no weights are loaded."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import safe_open
from transformers import AutoConfig, GenerationConfig, PreTrainedTokenizerBase

from superficial.artifacts.errors import UserError
from superficial.models.chat_end import template_end
from superficial.models.load import load_tokenizer
from superficial.models.manifest import read_manifest
from superficial.shift.pair.report import NamedToken


@dataclass(frozen=True)
class Vocabulary:
    """Tokens of one model by text, and what the tokenizer does besides."""

    model: str
    rows: int  # of the head
    ids: dict[str, int]  # tokens that the head scores
    added: frozenset[str]  # tokens that stand outside the tokenizer's model: special ones, and what users add
    beyond_head: int
    bos: int | None
    writes_bos: bool
    ends: list[int]
    template_end: int | None
    end_of_turn: int | None
    description: dict[str, Any]  # the tokenizer.json that is used

    @classmethod
    def read(cls, manifest: Path) -> "Vocabulary":
        """From the folder that `manifest` lies in."""
        name = str(read_manifest(manifest)["name"])
        tokenizer = load_tokenizer(manifest)
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise UserError(
                f"the tokenizer of {name} has no tokenizer.json, so nothing says how it splits text",
                where=str(manifest.parent),
                remedy="save it as a fast tokenizer (AutoTokenizer.from_pretrained, then save_pretrained)",
            )
        description: dict[str, Any] = json.loads(backend.to_str())
        rows, everything = _head_rows(manifest.parent), tokenizer.get_vocab()
        ids = {text: token for text, token in everything.items() if token < rows}
        added = frozenset(entry["content"] for entry in description["added_tokens"])
        ends = [token for token in _ends(manifest.parent, tokenizer) if token < rows]
        after = template_end(tokenizer, rows)
        bos: Any = tokenizer.bos_token_id
        return cls(
            model=name,
            rows=rows,
            ids=ids,
            added=added,
            beyond_head=len(everything) - len(ids),
            bos=bos,
            writes_bos=bos is not None and tokenizer("a").input_ids[:1] == [bos],
            ends=ends,
            template_end=after,
            end_of_turn=next((token for token in (after, tokenizer.eos_token_id, *ends) if token in ends), None),
            description=description,
        )

    @cached_property
    def texts(self) -> dict[int, str]:
        """Text of each id."""
        return {token: text for text, token in self.ids.items()}

    def token(self, token: int | None) -> NamedToken | None:
        """`token` with its text; a padding row has none."""
        return None if token is None else NamedToken(id=token, text=self.texts.get(token, ""))


def _head_rows(folder: Path) -> int:
    """vocab_size of config.json, which some tensor of the weights must have as its number of rows."""
    rows = int(
        AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False).get_text_config().vocab_size
    )
    found = set()
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            shapes = [tensors.get_slice(name).get_shape() for name in tensors.keys()]  # noqa: SIM118 (no mapping)
        found |= {shape[0] for shape in shapes if len(shape) == 2}
    if rows not in found:
        raise UserError(
            f"vocab_size is {rows}, and no tensor of the weights has so many rows",
            where=str(folder / "config.json"),
            remedy="take config.json and the weights from one revision of the model",
        )
    return rows


def _ends(folder: Path, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids that end a response, as `LoadedModel.end_ids` has them."""
    if (folder / "generation_config.json").is_file():
        ends: Any = GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
    else:
        ends = getattr(
            AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False), "eos_token_id", None
        )
    if ends is None:
        ends = tokenizer.eos_token_id
    return sorted(ends) if isinstance(ends, list) else [] if ends is None else [int(ends)]
