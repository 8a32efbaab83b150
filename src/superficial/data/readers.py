"""Files of instructions: JSONL, JSON (just-eval's own format), CSV, TSV and Parquet; text may be compressed."""

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from superficial.artifacts.errors import UserError
from superficial.data.fields import FieldUse
from superficial.data.instruction import Instruction, make_instruction

Row = tuple[str, dict[str, Any]]  # where it stands ("line 7", "row 3") and what it says


SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
PACKED = (".gz", ".bz2", ".xz")
# What packed bytes begin with, whatever their file is called: no text of ours does.
UNPACK: Mapping[bytes, Callable[[bytes], bytes]] = {
    rb"\x1f\x8b": gzip.decompress, rb"BZh[1-9]1AY&SY": bz2.decompress, rb"\xfd7zXZ\0": lzma.decompress,
}  # fmt: skip


def read_instructions(path: Path, fields: FieldUse | None = None) -> list[Instruction]:
    """Every instruction of `path`, checked; a UserError names file and row of the first mistake.

    `fields` is told which fields were joined to an instruction, and which were not used.
    """
    records: list[Instruction] = []
    places: dict[str, str] = {}
    for number, (place, raw) in enumerate(rows_of(path), start=1):
        where = f"{path}, {place}"
        record = make_instruction(raw, number, where, fields)
        if record.id in places:
            raise UserError(
                f"duplicate id {record.id!r} (first on {places[record.id]})",
                where=f"{where}, key id",
                remedy="give every instruction an id of its own",
            )
        places[record.id] = place
        records.append(record)
    if not records:
        raise UserError("the dataset is empty", where=str(path), remedy="one object a row, with an instruction")
    return records


def rows_of(path: Path, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Every row of a file, and where it stands; of a wide Parquet file only `columns`, which it must have."""
    packed = path.suffix.lower() in PACKED
    suffix = (Path(path.stem) if packed else path).suffix.lower()
    if suffix == ".parquet" and not packed:
        return _parquet(path, columns)
    if suffix not in READERS:
        formats = f"{', '.join(READERS)} (also with {', '.join(PACKED)}), .parquet"
        ending = "".join(path.suffixes[-2:]) if packed else path.suffix
        raise UserError(f"unknown format {ending!r}", where=str(path), remedy=f"one of {formats}")
    return READERS[suffix](path)


def read_json_list(path: Path) -> list[Any]:
    """A JSON file that holds a list; a UserError names the line that is no JSON."""
    try:
        value = json.loads(read_text(path))
    except ValueError as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(f"no JSON ({error})", where=f"{path}{line}", remedy="a JSON list of objects") from error
    except RecursionError as error:
        raise UserError("nested too deeply", where=str(path), remedy="a JSON list of objects") from error
    if not isinstance(value, list):
        raise UserError(f"a JSON {type(value).__name__}, not a list", where=str(path), remedy="a list of objects")
    return value


def read_text(path: Path) -> str:
    """The file, unpacked, as UTF-8 with or without a byte order mark."""
    data = path.read_bytes()
    for magic, unpack in UNPACK.items():
        if re.match(magic, data):
            try:
                data = unpack(data)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
                raise UserError(
                    f"cannot be unpacked ({error})", where=str(path), remedy="copy it or pack it again"
                ) from error
            break
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        what = f"not UTF-8 (byte 0x{data[error.start]:02x})"
        raise UserError(what, where=f"{path}, line {line}", remedy="save the file as UTF-8") from error


def _jsonl(path: Path) -> Iterator[Row]:
    # Not splitlines(): JSON text may hold U+2028 and other characters that it takes for ends of lines.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise UserError(f"no JSON ({what})", where=f"{path}, {place}", remedy="one JSON object a line") from error
        yield _object(value, path, place)


def _json(path: Path) -> Iterator[Row]:
    for number, value in enumerate(read_json_list(path), start=1):
        yield _object(value, path, f"row {number}")


def _object(value: Any, path: Path, place: str) -> Row:
    if not isinstance(value, Mapping):
        raise UserError(
            f"{type(value).__name__} is no JSON object", where=f"{path}, {place}", remedy='{"instruction": …}'
        )
    return place, dict(value)


def _csv(path: Path, usual: str = ",") -> Iterator[Row]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    text = io.StringIO(read_text(path), newline="")
    separator = _separator(text, usual)
    reader = csv.DictReader(text, delimiter=separator, strict=True)
    number = 0
    try:
        for number, row in enumerate(reader, start=1):
            if None in row:
                raise UserError(
                    f"{len(row[None])} fields more than the header", where=f"{path}, row {number}",
                    remedy=f"quote text that holds a {SEPARATORS[separator]}",
                )  # fmt: skip
            yield f"row {number}", dict(row)
    except csv.Error as error:
        raise UserError(f"no CSV ({error})", where=f"{path}, row {number + 1}", remedy="mend the quotes") from error


def _separator(text: io.StringIO, usual: str) -> str:
    """The usual one, unless the header holds it nowhere and another one makes several columns of it."""
    widths = dict.fromkeys((usual, *SEPARATORS), 0)
    for mark in widths:
        text.seek(0)
        try:
            widths[mark] = len(next(csv.reader(text, delimiter=mark, strict=True), []))
        except csv.Error:
            continue
    text.seek(0)
    return usual if widths[usual] > 1 else max(widths, key=lambda mark: widths[mark])


def _parquet(path: Path, columns: Sequence[str] | None) -> Iterator[Row]:
    try:
        held = pyarrow.parquet.read_schema(path).names
        missing = next((name for name in columns or () if name not in held), None)
        if missing is not None:
            raise UserError(f"no column {missing!r}", where=str(path), remedy=f"name one of {', '.join(held)}")
        rows = pyarrow.parquet.read_table(path, columns=columns).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        what = str(error).split("\n")[0]
        raise UserError(f"no Parquet ({what})", where=str(path), remedy="give a Parquet file") from error
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", row


READERS: Mapping[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".tsv": partial(_csv, usual="\t"),
}  # fmt: skip
