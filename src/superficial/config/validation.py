"""Builtins into types: the first mistake becomes one line that names the key and the nearest valid one."""

import difflib
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from superficial.artifacts.errors import UserError

Model = TypeVar("Model", bound=BaseModel)
# Values of `kind` that say which member of a union is meant.
TAGS = (
    "pypi",
    "local",
    "lora",
    "hub",
    "local_probabilities",
    "openai",
    "imported",
    "votes",
    "transformers",
    "openai_server",
    "started",
)


def validate(kind: type[Model], value: Any, *, where: str) -> Model:
    """Build a `kind` from builtins; the first mistake becomes one line with the key and the nearest valid one."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        found = error.errors()
        # A misspelt key is also a missing one; the misspelling is the better thing to tell.
        first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
        # The tag of a union appears in the location, but it is no key that a user wrote.
        path = [str(step) for step in first["loc"] if step not in TAGS]
        key = ".".join(path)
        if first["type"] != "extra_forbidden":
            shown = f" (it is {first['input']!r})" if not isinstance(first["input"], dict) else ""
            what = first["msg"].removeprefix("Value error, ") + shown
            raise UserError(
                what, where=f"{where}, key {key}" if key else where, remedy=_choice(first) or meaning(kind, path)
            ) from error
        valid = keys_beside(kind, path)
        raise UserError(f"unknown key {key}", where=where, remedy=nearest(path[-1], valid, "keys")) from error


def _choice(error: Any) -> str:
    """The nearest of the values that a key allows; empty where the error is about something else."""
    if error["type"] != "literal_error" or not isinstance(error["input"], str):
        return ""
    return nearest(error["input"], re.findall("'([^']+)'", error["ctx"]["expected"]), "values")


def meaning(kind: type[BaseModel], path: Sequence[str]) -> str:
    """What the schema says about the key at `path`, or the nearest one above it that it describes."""
    for end in range(len(path), 0, -1):
        for model in _models_beside(kind, path[:end]):
            field = model.model_fields.get(path[end - 1])
            if field and field.description:
                return f"{path[end - 1]}: {field.description}"
    return ""


def keys_beside(kind: type[BaseModel], path: Sequence[str]) -> list[str]:
    """All keys that are valid at the last step of `path`, over every member of a union on the way."""
    return sorted({name for model in _models_beside(kind, path) for name in model.model_fields})


def _models_beside(kind: type[BaseModel], path: Sequence[str]) -> list[type[BaseModel]]:
    level: list[type[BaseModel]] = [kind]
    for step in path[:-1]:
        annotations = [model.model_fields[step].annotation for model in level if step in model.model_fields]
        level = [model for annotation in annotations for model in _models_of(annotation)]
    return level


def _models_of(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models_of(inner)]


def nearest(word: str, valid: Sequence[str], what: str) -> str:
    """A remedy: the valid word that `word` may have been meant to be, else all of them."""
    near = difflib.get_close_matches(word, valid, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"valid {what}: {', '.join(valid)}"
