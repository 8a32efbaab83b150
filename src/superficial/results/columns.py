"""The tables in `results/` and their columns, as `columns.yaml` beside this file declares them."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

DECLARED = Path(__file__).with_name("columns.yaml")

# `category` is one of unshifted, marginal, shifted, in this order; `records` are dictionaries.
Type = Literal["text", "integer", "number", "category", "texts", "integers", "numbers", "records"]


class Table(BaseModel):
    """One kind of table: where it lies, what a row is, and what each column holds, with its type."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str  # below results/; {KEY} stands for any name
    row: str
    columns: dict[str, tuple[Type, str]]


@cache
def tables() -> Mapping[str, Table]:
    """All of them by name."""
    read = yaml.safe_load(DECLARED.read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, Table]).validate_python(read)
