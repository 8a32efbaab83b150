"""Tokens of two kinds of tokenizer told in bytes, what they have in common, and tokenizers that are refused."""

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.relatives import relative
from support.tiny import END
from support.two_tokenizers import RUNTIME, TEXTS, Models, fetched

from superficial.artifacts.errors import UserError
from superficial.config.schema import Nothing
from superficial.probes.spans.byte_pair import match_bytes
from superficial.probes.spans.byte_pair import run as byte_pair
from superficial.probes.spans.reading import segments
from superficial.probes.spans.spelling import Spelling
from superficial.shift.pair.stage import run as pair_stage
from superficial.shift.pair.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Models:
    return fetched(tmp_path_factory.mktemp("models"), tiny_models)


@pytest.fixture(scope="module")
def spelled(models: Models) -> dict[str, Spelling]:
    return {name: Spelling(Vocabulary.read(manifest)) for name, manifest in models.items()}


@pytest.mark.parametrize("name", ["base", "pieces", "other"])
@pytest.mark.parametrize("text", TEXTS)
def test_bytes_of_tokens_are_those_of_the_text(spelled: dict[str, Spelling], name: str, text: str):
    spelling = spelled[name]
    ids = spelling.read(text)
    assert ids is not None
    assert not set(ids) & spelling.special.keys()
    parts = [spelling.texts[token] for token in ids]
    assert b"".join(parts) == text.encode()
    assert spelling.written(ids) == parts


@pytest.mark.parametrize("name", ["base", "pieces"])
def test_any_tokens_are_text_up_to_the_last_whole_character(spelled: dict[str, Spelling], name: str):
    """Random ids, most of which make no UTF-8 in the end: the longest prefix that does, by trying each."""
    spelling, rng = spelled[name], random.Random(3)
    usual = [token for token, part in spelling.texts.items() if part.isascii()]
    for _ in range(60):
        whole = spelling.read(rng.choice(TEXTS)) or []
        ids = [*rng.choices(usual, k=rng.randrange(4)), *whole, *rng.choices([*spelling.texts], k=rng.randrange(8))]
        cut = ids[: rng.randrange(len(ids) + 1)]
        parts = [spelling.texts[token] for token in cut]
        lengths = [
            n
            for n in range(len(cut) + 1)
            if b"".join(parts[:n]).decode(errors="ignore").encode() == b"".join(parts[:n])
        ]
        assert spelling.written(cut) == parts[: max(lengths)]


def test_text_ends_before_a_special_token(spelled: dict[str, Spelling]):
    ids = spelled["base"].read("keep alive") or []
    assert spelled["base"].written([*ids, 3, *ids]) == spelled["base"].written(ids)
    assert spelled["base"].written([3, *ids]) == []


def test_a_text_that_a_tokenizer_changes_is_not_read(spelled: dict[str, Spelling]):
    """In pieces "▁" stands for a space, so that nobody can write it there."""
    assert spelled["pieces"].read("a ▁ b") is None
    assert spelled["base"].read("a ▁ b") is not None


def test_of_two_tokens_with_the_same_bytes_the_one_that_the_tokenizer_writes(spelled: dict[str, Spelling]):
    ids = spelled["pieces"].vocabulary.ids
    twins = [byte for byte in range(128) if chr(byte) in ids and chr(byte) != "<"]
    assert len(twins) > 5
    assert all(spelled["pieces"].keys[bytes([byte])] == ids[chr(byte)] for byte in twins)
    assert spelled["pieces"].keys[b"\xf0"] == ids["<0xF0>"]
    assert spelled["pieces"].keys["<eos>"] == ids["<eos>"]


def test_segments_are_the_finest_that_both_have():
    rng = random.Random(1)
    for _ in range(50):
        text = bytes(rng.choices(range(256), k=rng.randrange(1, 30)))
        left, right = (_cut(text, rng) for _ in range(2))
        ends = [set(np.cumsum([len(part) for part in side]).tolist()) for side in (left, right)]
        found = segments(left, right)
        assert [one.stop for one in found] == sorted(ends[0] & ends[1])
        assert [one.start for one in found] == [0, *(one.stop for one in found[:-1])]
        for one in found:
            assert b"".join(left[one.base]) == b"".join(right[one.aligned]) == text[one.start : one.stop]
    assert segments([], []) == []


def _cut(text: bytes, rng: random.Random) -> list[bytes]:
    cuts = sorted({0, len(text), *rng.choices(range(len(text)), k=rng.randrange(len(text)))})
    return [text[start:stop] for start, stop in pairwise(cuts)]


def changed(**parts: object) -> Callable[[dict[str, Any]], None]:
    return lambda tokenizer: tokenizer.update(parts)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True}}, r"its decoder \(WordPiece\) is neither"),
        ({"decoder": None}, r"its decoder \(none\) is neither"),
        ({"normalizer": {"type": "Lowercase"}}, "it changes text that it reads"),
        ({"normalizer": {"type": "NFD"}}, "it changes text that it reads"),
    ],
)
def test_a_tokenizer_that_does_not_keep_to_bytes_is_refused(
    tiny_models: Path, tmp_path: Path, parts: dict[str, object], says: str
):
    left = relative(tiny_models / "base", tmp_path / "left", edit=changed(**parts))
    right = relative(tiny_models / "aligned", tmp_path / "right")
    with pytest.raises(
        UserError, match=f"tokenizer of left: the tokens of left cannot be told in bytes: {says}"
    ) as caught:
        byte_pair(Nothing(), RUNTIME, base=left, aligned=right, out=tmp_path / "out.json")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.json").exists()


def test_tokens_that_are_decoded_to_another_text_are_refused(spelled: dict[str, Spelling]):
    """The check is made on what was written, too: here a decoder that cuts two spaces off."""
    vocabulary = spelled["pieces"].vocabulary
    *steps, _ = vocabulary.description["decoder"]["decoders"]
    steps.append({"type": "Strip", "content": " ", "start": 2, "stop": 0})
    odd = Spelling(
        replace(vocabulary, description={**vocabulary.description, "decoder": {"type": "Sequence", "decoders": steps}})
    )
    with pytest.raises(UserError, match="the bytes of its tokens are not those of the text"):
        odd.written(odd.read("   a") or [])


def test_ranks_of_such_a_pair_are_refused_and_the_way_out_is_named(models: Models, tmp_path: Path):
    for base in ("pieces", "other"):
        with pytest.raises(UserError, match=r"different vocabularies.*figures/byte_spans") as caught:
            pair_stage(Nothing(), RUNTIME, base=models[base], aligned=models["aligned"], out=tmp_path / "p.json")
        assert "\n" not in str(caught.value)


def test_pieces_without_a_space_at_the_start_are_the_same_tokens(spelled: dict[str, Spelling]):
    """Gemma's and Llama's way: in the middle of a text they split alike."""
    vocabulary = spelled["pieces"].vocabulary
    normalizer, decoder = (dict(vocabulary.description[part]) for part in ("normalizer", "decoder"))
    assert normalizer["normalizers"][0]["type"] == "Prepend"
    assert decoder["decoders"][-1]["type"] == "Strip"
    normalizer["normalizers"], decoder["decoders"] = normalizer["normalizers"][1:], decoder["decoders"][:-1]
    gemma = replace(vocabulary, description={**vocabulary.description, "normalizer": normalizer, "decoder": decoder})
    for text in TEXTS:
        ids = spelled["pieces"].read(text)
        assert ids == Spelling(gemma).read(text) is not None
        assert Spelling(gemma).written(ids) == spelled["pieces"].written(ids)


def test_the_report_counts_what_both_have(spelled: dict[str, Spelling]):
    same = match_bytes(spelled["base"], spelled["aligned"])
    assert same.shared == len(spelled["base"].texts) + len(spelled["base"].special)
    assert [(one.base.id, one.aligned.id, one.by) for one in same.ends] == [(1, 1, "text"), (END, END, "text")]
    other = match_bytes(spelled["pieces"], spelled["aligned"])
    assert 256 + 2 <= other.shared < same.shared
    assert (other.base.spelling, other.aligned.spelling) == ("pieces", "byte level")
