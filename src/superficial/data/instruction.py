"""One instruction with its tags, made from whatever a file says about it (paper, section 4.1)."""

import difflib
import json
import math
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from superficial.artifacts.errors import UserError
from superficial.config.schema import Strict
from superficial.config.validation import nearest
from superficial.data.chat import LOGS, user_messages
from superficial.data.fields import FieldUse, missing_text_error

Category = Literal["regular", "safety"]
Task = Literal["info-seek", "reasoning", "procedure", "writing", "role-play", "coding", "math"]
Topic = Literal["humanities", "finance", "ethics", "lifestyle", "nature", "stem", "medical"]
TASKS: tuple[str, ...] = get_args(Task)
TOPICS: tuple[str, ...] = get_args(Topic)


class Instruction(Strict):
    """One user query with its tags; `turns` holds all queries of a dialogue, and is empty where there is only one."""

    id: str
    instruction: str
    category: Category
    subset: str
    tasks: list[Task]
    topics: list[Topic]
    turns: list[str]


KEYS = tuple(Instruction.model_fields)
# just-eval's names for our keys. Its further keys (source_id, difficulty) and its flag "malicious" are not kept.
ALIASES = {"task": "tasks", "topic": "topics", "dataset": "subset"}
FLAGS = {"malicious"}
PARTS = ("input", "context")  # of the question: each that holds text follows the instruction after an empty line
REFUSED = ("system", "system_prompt", "history", "choices", "options")  # of the question, too, but no text to append


def make_instruction(raw: Mapping[str, Any], number: int, where: str, fields: FieldUse | None = None) -> Instruction:
    """Check one row; `number` becomes its id where it has none, `where` names file and row in errors.

    Unknown keys are left out and listed in `fields`, unless they look like a misspelt key. What belongs to the
    question is joined to it (PARTS), read as turns (a chat log, where nothing else asks), or refused.
    """
    fields = fields or FieldUse()
    known, parts, turns_key = _sorted(raw, where, fields)
    turns = [
        checked_text(turn, f"{where}, key {turns_key}")
        for turn in _list(known.get("turns"), where, turns_key, split="")
    ]
    query = known.get("instruction")
    if query is None and turns:
        query = turns[0]
    if query is None and "instruction" not in raw:
        raise missing_text_error(raw, where, {*KEYS, *ALIASES})
    text = checked_text(query, f"{where}, key instruction")
    if turns and turns[0] != text:
        raise UserError("differs from instruction", where=f"{where}, key turns", remedy="the first turn repeats it")
    for key, part in parts.items():
        if turns:
            remedy = "write it into the turn that it belongs to, or delete the field"
            raise UserError(f"stands beside {turns_key}", where=f"{where}, key {key}", remedy=remedy)
        text = f"{text}\n\n{checked_text(part, f'{where}, key {key}')}"
        fields.joined[key] = None
    return Instruction(
        id=checked_id(known.get("id"), number, where),
        instruction=text,
        category=_category(known.get("category"), where),
        subset=checked_text(known["subset"], f"{where}, key subset") if known.get("subset") is not None else "",
        tasks=_tags(known.get("tasks"), TASKS, where, "tasks"),
        topics=_tags(known.get("topics"), TOPICS, where, "topics"),
        turns=turns if len(turns) > 1 else [],
    )


def _sorted(raw: Mapping[str, Any], where: str, fields: FieldUse) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Values by our keys, further parts of the question by theirs, and the field that the turns come from."""
    known: dict[str, Any] = {}
    keys: dict[str, str] = {}
    others: dict[str, Any] = {}
    for key, value in raw.items():
        name = ALIASES.get(key, key)
        if name in KEYS:
            known[name] = None if _is_missing(value) else value
            if name in keys:  # two fields that mean one key: the later one holds
                fields.unused[keys[name]] = None
            keys[name] = key
        elif near := difflib.get_close_matches(str(key), KEYS, n=1, cutoff=0.8):
            raise UserError(f"unknown key {key!r}", where=where, remedy=f"did you mean {near[0]}?")
        else:
            others[key] = value
    turns_key = "turns"
    if known.get("instruction") is None and known.get("turns") is None:
        turns_key = next((key for key in LOGS if _is_log(others.get(key))), "turns")
    if turns_key in others:
        log = _list(others.pop(turns_key), where, turns_key, split="")
        known["turns"], answered = user_messages(log, f"{where}, key {turns_key}")
        if answered:
            fields.unused[f"answers in {turns_key}"] = None
    for key in REFUSED:
        if not _is_blank(others.pop(key, None)):
            remedy = "write it into instruction, or delete the field"
            raise UserError("part of the question, and not carried", where=f"{where}, key {key}", remedy=remedy)
    parts = {key: others.pop(key) for key in PARTS if key in others}
    fields.unused |= dict.fromkeys(others)
    return known, {key: value for key, value in parts.items() if not _is_blank(value)}, turns_key


def _is_log(value: Any) -> bool:
    return bool(value) and (isinstance(value, list) or (isinstance(value, str) and value.lstrip().startswith("[")))


def _is_blank(value: Any) -> bool:
    return _is_missing(value) or (isinstance(value, str) and not value.strip()) or value == [] or value == {}


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def checked_text(value: Any, where: str) -> str:
    """Text that can be tokenized and stored; a UserError says what is wrong with it."""
    if not isinstance(value, str) or not value.strip():
        found = "no text" if value is None else f"{value!r} is no text" if not isinstance(value, str) else "empty text"
        raise UserError(found, where=where, remedy="every instruction needs text")
    if half := re.search("[\ud800-\udfff]", value):
        remedy = "write the whole character: half a pair encodes nothing"
        raise UserError(f"a lone surrogate (U+{ord(half.group()):04X})", where=where, remedy=remedy)
    if "\0" in value:
        raise UserError("a NUL character", where=where, remedy="delete it")
    return value


def checked_id(value: Any, number: int, where: str) -> str:
    """Ids are text: 7, 7.0 and "7" are the same id."""
    if value is None:
        return str(number)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise UserError(f"{value!r} is no id", where=f"{where}, key id", remedy="text or a whole number")
    return checked_text(str(value), f"{where}, key id")


def _category(value: Any, where: str) -> Category:
    if value is None:
        return "regular"
    if value not in ("regular", "safety"):
        raise UserError(f"{value!r} is no category", where=f"{where}, key category", remedy="regular or safety")
    return "safety" if value == "safety" else "regular"


def _tags(value: Any, valid: tuple[str, ...], where: str, key: str) -> list[Any]:
    """Tags in their own order, each once, whatever their case and with spaces or underscores for hyphens."""
    found: dict[str, None] = {}
    for tag in _list(value, where, key, split="[;,|]"):
        name = re.sub(r"[\s_]+", "-", str(tag).strip().lower())
        if name in FLAGS:
            continue
        if name not in valid:
            raise UserError(f"unknown tag {tag!r}", where=f"{where}, key {key}", remedy=nearest(name, valid, "tags"))
        found[name] = None
    return list(found)


def _list(value: Any, where: str, key: str, *, split: str) -> list[Any]:
    """A list, or text that holds one: JSON, or (where `split` is given) words between these separators."""
    if value is None:
        return []
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise UserError(f"no JSON list ({error.msg})", where=f"{where}, key {key}", remedy='["a", "b"]') from error
    if isinstance(value, str) and split:
        value = [part for part in re.split(split, value) if part.strip()]
    if not isinstance(value, list):
        raise UserError(f"{value!r} is no list", where=f"{where}, key {key}", remedy='write it as ["a", "b"]')
    return value
