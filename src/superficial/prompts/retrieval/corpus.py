"""The corpus: instruction/response examples in one format, whatever file they come from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from superficial.artifacts.errors import UserError
from superficial.config.schema.retrieval import Columns
from superficial.data.instruction import checked_id, checked_text
from superficial.data.readers import rows_of


def read_corpus(path: Path, columns: Columns) -> tuple[pd.DataFrame, int]:
    """Columns id, instruction, response (all text), one row for each example, in the order of the file.

    A row whose instruction or response is blank is no example and left out, as large datasets of the hub hold some;
    the second value counts them.

    Raises:
        UserError: names the row of a mistake: bad JSON, a missing field, no text, or an id that came before.
    """
    found: dict[str, dict[str, str]] = {}
    left_out = 0
    wanted = [name for name in (columns.id, columns.instruction, columns.response) if name is not None]
    for number, (place, row) in enumerate(rows_of(path, wanted), start=1):
        where = f"{path}, {place}"
        texts = {key: _field(row, getattr(columns, key), where) for key in ("instruction", "response")}
        if any(_is_blank(value) for value in texts.values()):
            left_out += 1
            continue
        asked = None if columns.id is None else _field(row, columns.id, where)
        example = {"id": checked_id(asked, number, where)}
        example |= {key: checked_text(value, f"{where}, key {getattr(columns, key)}") for key, value in texts.items()}
        if example["id"] in found:
            raise UserError(
                f"id {example['id']!r} came before", where=where, remedy="give every example an id of its own"
            )
        found[example["id"]] = example
    if not found:
        what = f"all {left_out} rows are blank" if left_out else "the corpus is empty"
        raise UserError(what, where=str(path), remedy="one example a row, with an instruction and a response")
    return pd.DataFrame(list(found.values())), left_out


def _field(row: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in row:
        held = ", ".join(map(str, row))
        raise UserError(f"no field {key!r}", where=where, remedy=f"name one of {held} in corpus of config/index")
    return row[key]


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
