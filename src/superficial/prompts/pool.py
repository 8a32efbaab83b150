"""A pool of examples: a file of instructions, each answered in two styles, from which methods choose."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from superficial.artifacts.errors import UserError
from superficial.config.schema import ExamplesConfig, Strict
from superficial.config.validation import nearest

Text = Annotated[str, Field(pattern=r"\S")]


@dataclass(frozen=True)
class ShownExample:
    """An instruction with the response that a prompt shows to it."""

    id: str
    instruction: str
    response: str


class PoolExample(Strict):
    """A line of the file."""

    id: Text
    instruction: Text
    restyled: Text
    plain: Text


def chosen_examples(cfg: ExamplesConfig, path: Path) -> list[ShownExample]:
    """The examples that `cfg` names, in its order and style."""
    pool = read_pool(path)
    for name in cfg.ids:
        if name not in pool:
            raise UserError(
                f"no example {name!r} in {path}",
                where="config, key prompt.examples.ids",
                remedy=nearest(name, sorted(pool), "ids"),
            )
    return [ShownExample(name, pool[name].instruction, getattr(pool[name], cfg.style)) for name in cfg.ids]


def read_pool(path: Path) -> dict[str, PoolExample]:
    """All examples of a JSONL file by id; a UserError names the line of the first mistake."""
    pool: dict[str, PoolExample] = {}
    for number, line in enumerate(read_text(path, "prompt.examples.file").split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            example = PoolExample.model_validate(json.loads(line))
        except json.JSONDecodeError as error:
            raise UserError(f"no JSON ({error.msg})", where=where, remedy="one JSON object a line") from error
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"])) or "(the whole line)"
            keys = ", ".join(PoolExample.model_fields)
            raise UserError(first["msg"], where=f"{where}, key {key}", remedy=f"the keys are {keys}") from error
        if example.id in pool:
            raise UserError(f"duplicate id {example.id!r}", where=where, remedy="give every example an id of its own")
        pool[example.id] = example
    return pool


def read_text(path: Path, key: str) -> str:
    """A text file, byte for byte."""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        what = f"cannot read {path} ({error.strerror})"
        raise UserError(what, where=f"config, key {key}", remedy="give a text file, or null") from error
    except UnicodeDecodeError as error:
        raise UserError(f"no UTF-8 text ({error.reason})", where=str(path), remedy="save it as UTF-8") from error
