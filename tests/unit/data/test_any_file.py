"""Any text in any format is read back as it was, or refused in one line; any bytes at all are read or refused."""

import csv
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from superficial.artifacts.errors import UserError
from superficial.data.instruction import Instruction
from superficial.data.readers import PACKED, READERS, read_instructions

ANY = st.text(st.characters(exclude_categories=()))  # half characters, NUL and all
READABLE = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")).filter(str.strip)
SUFFIXES = [*READERS, ".parquet"]


def encoded(texts: list[str], suffix: str) -> bytes:
    """A file of instructions, as other programs write it."""
    rows = [{"instruction": text} for text in texts]
    if suffix == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=len(texts) % 2 == 1) + "\n" for row in rows).encode()
    if suffix == ".json":
        return json.dumps(rows).encode()
    if suffix == ".parquet":
        return pd.DataFrame(rows).to_parquet(index=False)
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter="\t" if suffix == ".tsv" else ",")
    writer.writerows([["number", "instruction"], *([at, text] for at, text in enumerate(texts))])
    return out.getvalue().encode()


def read(data: bytes, name: str) -> list[Instruction] | str:
    """What is read of a file with this content, or why not: in one line."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            return read_instructions(path)
        except UserError as error:
            refusal = str(error)
        assert len(refusal.splitlines()) == 1
        assert str(path) in refusal
        return refusal


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(st.lists(READABLE, min_size=1, max_size=4))
@example(["\ufeff a", "\u2028b\u0085", "x\r\ny\r", '"', "=1+1", "nan", "NULL", " " * 3 + "c"])
def test_what_can_be_read_comes_back(suffix: str, texts: list[str]):
    found = read(encoded(texts, suffix), f"x{suffix}")
    assert not isinstance(found, str), found
    assert [one.instruction for one in found] == texts


@given(st.lists(ANY, min_size=1, max_size=3))
@example(["\ud800"])
@example(["a\0b"])
def test_what_cannot_be_kept_is_refused(texts: list[str]):
    found = read("\n".join(json.dumps({"instruction": text}) for text in texts).encode(), "x.jsonl")
    fine = all(
        text.strip() and "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text) for text in texts
    )
    assert isinstance(found, str) != fine
    if not isinstance(found, str):
        assert [one.instruction for one in found] == texts


FIELDS = st.sampled_from(
    [
        "instruction",
        "id",
        "category",
        "tasks",
        "topics",
        "turns",
        "messages",
        "input",
        "context",
        "system",
        "role",
        "content",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | ANY, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(FIELDS, VALUES, max_size=5) | VALUES, max_size=4))
@example([{"instruction": "a", "id": 10**400}])
@example([{"instruction": "a", "tasks": {"a": 1}}])
def test_any_json_is_read_or_refused(rows: list[object]):
    read(json.dumps(rows).encode(), "x.json")


@pytest.mark.parametrize("suffix", [*SUFFIXES, *(f".jsonl{packed}" for packed in PACKED)])
@given(st.binary(max_size=300) | ANY.map(lambda text: text.encode(errors="surrogatepass")))
@example(b"\x1f\x8b")
@example(b"BZh91AY&SY")
@example(b"\xfd7zXZ\0")
@example(b"PAR1")
@example(b'"a')
def test_any_bytes_are_read_or_refused(suffix: str, data: bytes):
    read(data, f"x{suffix}")
