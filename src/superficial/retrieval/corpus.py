"""The corpus: instruction/response examples in one format, whatever file they come from."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from superficial.errors import UserError
from superficial.schema.retrieval import Columns


def read_corpus(path: Path, columns: Columns) -> pd.DataFrame:
    """Columns id, instruction, response (all text), one row an example, in the order of the file.

    Raises:
        UserError: names the row of bad JSON, a missing or empty field, or an id that came before.
    """
    rows = _parquet_rows(path, columns) if path.suffix == ".parquet" else _json_rows(path)
    found: dict[str, dict[str, str]] = {}
    for number, row in rows:
        where = f"{path}, row {number}"
        example = {
            "id": str(number) if columns.id is None else _text(row, columns.id, where, numbers=True),
            "instruction": _text(row, columns.instruction, where),
            "response": _text(row, columns.response, where),
        }
        if example["id"] in found:
            raise UserError(
                f"id {example['id']!r} came before", where=where, remedy="give every example an id of its own"
            )
        found[example["id"]] = example
    if not found:
        raise UserError("the corpus is empty", where=str(path), remedy="one example a row")
    return pd.DataFrame(list(found.values()))


def _json_rows(path: Path) -> list[tuple[int, Any]]:
    rows = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    rows.append((number, json.loads(line)))
                except json.JSONDecodeError as error:
                    raise UserError(
                        f"no JSON ({error.msg})", where=f"{path}, row {number}", remedy="one JSON object a line"
                    ) from error
    return rows


def _parquet_rows(path: Path, columns: Columns) -> list[tuple[int, Any]]:
    wanted = [name for name in (columns.id, columns.instruction, columns.response) if name is not None]
    held = pq.read_schema(path).names
    for name in wanted:
        if name not in held:
            raise UserError(
                f"no column {name!r}",
                where=str(path),
                remedy=f"name one of {', '.join(held)} in corpus of config/index",
            )
    return list(enumerate(pq.read_table(path, columns=wanted).to_pylist(), start=1))


def _text(row: Any, key: str, where: str, *, numbers: bool = False) -> str:
    value = row.get(key) if isinstance(row, dict) else None
    if numbers and isinstance(value, int):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise UserError(
            f"no text in field {key!r}", where=where, remedy="mend the row, or name the field in corpus of config/index"
        )
    return value
