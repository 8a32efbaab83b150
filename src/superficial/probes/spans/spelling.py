"""The bytes that each token of a tokenizer stands for, and how it reads text that something stands before."""

import json
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from tokenizers import Tokenizer

from superficial.artifacts.errors import UserError
from superficial.shift.pair.vocabulary import Vocabulary

# What a tokenizer must give back to the byte: case, runs of spaces, line breaks, marks, signs of two to four bytes.
PROBE = "  A café in ZÜRICH:\n\n\tif x != 1:\n        y = {'a': 2}  # ½ → 日本語, Привет, 🙂👩‍🚀\n"
BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
PIECES = {"Replace", "ByteFallback", "Fuse", "Strip", "Metaspace"}  # steps that decode pieces with "▁" for a space

Key = bytes | str  # what a token is known by across tokenizers: bytes, or the name of a special one, which is no text


class Spelling:
    """Exact UTF-8 bytes of the tokens of one model. A token may hold a part of a character.

    Understood are byte-level BPE (GPT-2, SmolLM, Llama 3, Qwen) and SentencePiece, which writes "▁" for a space and
    bytes for what it lacks (Llama 2, Gemma). Special tokens, and those that end a turn, are no text.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Raises UserError for a tokenizer whose tokens cannot be told in bytes, or that does not give PROBE back."""
        self.vocabulary = vocabulary
        self._steps = _flat(vocabulary.description["decoder"], "decoders")
        kinds = [step["type"] for step in self._steps]
        self.byte_level = kinds == ["ByteLevel"]
        if not self.byte_level and not (kinds and set(kinds) <= PIECES):
            raise self._refusal(f"its decoder ({', '.join(kinds) or 'none'}) is neither byte-level nor SentencePiece's")
        entries = vocabulary.description["added_tokens"]
        special = {entry["id"] for entry in entries if entry["special"]} | set(vocabulary.ends)
        self.special = {token: name for name, token in vocabulary.ids.items() if token in special}
        self._added = {entry["id"]: entry["content"] for entry in entries}
        if self.read(PROBE) is None:
            raise self._refusal("it changes text that it reads (case, spaces, accents or other signs)")

    @cached_property
    def texts(self) -> dict[int, bytes]:
        """Bytes of every token that is text."""
        found = {}
        for name, token in self.vocabulary.ids.items():
            if token not in self.special:
                found[token] = self._added[token].encode() if self._plain(token) else self._bytes(name)
        return found

    @cached_property
    def keys(self) -> dict[Key, int]:
        """The token of each key; of several with the same bytes one that is no single byte, then the lowest id."""
        found: dict[Key, int] = {name: token for token, name in self.special.items()}
        byte = {token for name, token in self.vocabulary.ids.items() if not self.byte_level and BYTE.fullmatch(name)}
        for token in sorted(self.texts, key=lambda token: (token in byte, token)):
            found.setdefault(self.texts[token], token)
        return found

    def read(self, text: str) -> list[int] | None:
        """Ids of `text`, nothing put before it and no special token found in it; None if they are another text."""
        ids = [int(token) for token in self._reader.encode(text, add_special_tokens=False).ids]
        parts = [self.texts.get(token, b"") for token in ids]
        return ids if all(parts) and b"".join(parts) == text.encode() else None

    def written(self, ids: Sequence[int]) -> list[bytes]:
        """Bytes of the tokens from the first on as far as they are text.

        They end before a token that is none, before bytes that are no UTF-8, and with the last whole character. Raises
        UserError if the tokenizer itself decodes these tokens to another text.
        """
        found = whole_characters([self.texts[token] for token in ids[: self._first_special(ids)]])
        text = b"".join(found).decode()
        decoded = self._decoder.decode([int(token) for token in ids[: len(found)]], skip_special_tokens=False)
        starts = {"", " "} if any(step["type"] in ("Strip", "Metaspace") for step in self._steps) else {""}
        if text not in {start + decoded for start in starts}:
            raise self._refusal("the bytes of its tokens are not those of the text that it decodes them to")
        return found

    def _first_special(self, ids: Sequence[int]) -> int:
        return next((at for at, token in enumerate(ids) if not self.texts.get(token)), len(ids))

    def _plain(self, token: int) -> bool:
        """A token that was added to a byte-level tokenizer is spelled out; with pieces it is decoded like any other."""
        return self.byte_level and token in self._added

    def _bytes(self, name: str) -> bytes:
        if self.byte_level:
            try:
                return bytes(BYTE_OF[char] for char in name)
            except KeyError:
                return name.encode()
        byte = BYTE.fullmatch(name)
        if byte and any(step["type"] == "ByteFallback" for step in self._steps):
            return bytes([int(byte[1], 16)])
        for step in self._steps:
            if step["type"] == "Replace":
                name = name.replace(step["pattern"]["String"], step["content"])
            elif step["type"] == "Metaspace":
                name = name.replace(step["replacement"], " ")
        return name.encode()

    @cached_property
    def _decoder(self) -> Tokenizer:
        return Tokenizer.from_str(json.dumps(self.vocabulary.description))

    @cached_property
    def _reader(self) -> Tokenizer:
        """The tokenizer in the middle of a text: it puts no space before what it reads, and cuts nothing off."""
        description = dict(self.vocabulary.description, truncation=None, padding=None)
        steps = _flat(description["normalizer"], "normalizers")
        description["normalizer"] = _sequence([step for step in steps if step["type"] != "Prepend"], "normalizers")
        steps = [_without_start(step) for step in _flat(description["pre_tokenizer"], "pretokenizers")]
        description["pre_tokenizer"] = _sequence(steps, "pretokenizers")
        reader = Tokenizer.from_str(json.dumps(description))
        reader.encode_special_tokens = True  # as text
        return reader

    def _refusal(self, why: str) -> UserError:
        return UserError(
            f"the tokens of {self.vocabulary.model} cannot be told in bytes: {why}",
            where=f"tokenizer of {self.vocabulary.model}",
            remedy="choose a model with a byte-level tokenizer, or SentencePiece with byte fallback",
        )


def whole_characters(parts: Sequence[bytes]) -> list[bytes]:
    """The most of `parts`, from the first on, that together are UTF-8.

    >>> whole_characters([b"a", b"\\xc3", b"\\xa9", b"\\xf0\\x9f"])
    [b'a', b'\\xc3', b'\\xa9']
    >>> whole_characters([b"a", b"\\xff", b"b"])
    [b'a']
    """
    kept, pending = 0, b""
    for at, part in enumerate(parts):
        pending += part
        try:
            pending.decode()
            kept, pending = at + 1, b""
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                break
    return list(parts[:kept])


def _byte_characters() -> dict[str, int]:
    """The character by which byte-level tokenizers write each byte: itself if it can be seen, else one beyond 255."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + at): byte for at, byte in enumerate(others)}


BYTE_OF = _byte_characters()

Step = dict[str, Any]


def _without_start(step: Step) -> Step:
    match step["type"]:
        case "Metaspace":
            return {**step, "prepend_scheme": "never"}
        case "ByteLevel":
            return {**step, "add_prefix_space": False}
    return step


def _sequence(steps: list[Step], inner: str) -> Step | None:
    return {"type": "Sequence", inner: steps} if steps else None


def _flat(step: Step | None, inner: str) -> list[Step]:
    if step is None:
        return []
    return [one for part in step[inner] for one in _flat(part, inner)] if step["type"] == "Sequence" else [step]
