"""The data stage: instructions, checked and in one format."""

import json
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field, ValidationError

from superficial.artifact import write_sidecar
from superficial.errors import UserError
from superficial.schema import DatasetConfig, RuntimeConfig, Strict
from superficial.table import write_table

Task = Literal["info-seek", "reasoning", "procedure", "writing", "role-play", "coding", "math"]
Topic = Literal["humanities", "finance", "ethics", "lifestyle", "nature", "stem", "medical"]


class Instruction(Strict):
    """One user query with its tags (paper, section 4.1)."""

    id: Annotated[str, Field(min_length=1)]
    instruction: Annotated[str, Field(pattern=r"\S")]
    category: Literal["regular", "safety"]
    subset: str
    tasks: list[Task]
    topics: list[Topic]


def run(cfg: DatasetConfig, runtime: RuntimeConfig, *, source: Path, out: Path) -> None:
    """Check `source` (JSONL) and write its first `cfg.limit` instructions to `out` (Parquet)."""
    started = time.monotonic()
    records = read_instructions(source)[: cfg.limit]
    write_table(pd.DataFrame([record.model_dump() for record in records]), out)
    config = cfg.model_dump(mode="json")
    facts = {"instructions": len(records)}
    write_sidecar(out, stage="data", config=config, inputs={"source": source}, started=started, facts=facts)


def read_instructions(path: Path) -> list[Instruction]:
    """Read JSONL; a UserError names the line of bad JSON, bad keys and duplicate ids, or says it is empty."""
    records: list[Instruction] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        record = _parse(line, where)
        if record.id in lines:
            raise UserError(
                f"duplicate id {record.id!r} (first on line {lines[record.id]})",
                where=f"{where}, key id",
                remedy="give every instruction an id of its own",
            )
        lines[record.id] = number
        records.append(record)
    if not records:
        raise UserError(
            "the dataset is empty", where=str(path), remedy="one JSON object a line, with id and instruction"
        )
    return records


def _parse(line: str, where: str) -> Instruction:
    try:
        value: Any = json.loads(line)
        return Instruction.model_validate(value)
    except json.JSONDecodeError as error:
        raise UserError(f"no JSON ({error.msg})", where=where, remedy="one JSON object a line") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(step) for step in first["loc"])
        keys = ", ".join(Instruction.model_fields)
        raise UserError(first["msg"], where=f"{where}, key {key}", remedy=f"the keys are {keys}") from error
