"""Fields of other people's files: what became of them, and which of them is most likely the instruction."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from superficial.artifacts.errors import UserError

LIKELY = ("instruction", "prompt", "question", "query", "text", "request", "problem", "input", "content", "user")
ANSWERS = ("output", "response", "answer", "completion", "chosen", "rejected", "target", "label")


@dataclass
class FieldUse:
    """What became of the fields of a file that are no keys of ours: names, each once, as they were met."""

    joined: dict[str, None] = field(default_factory=dict)  # to the instruction
    unused: dict[str, None] = field(default_factory=dict)

    def __str__(self) -> str:
        said = {"joined to the instruction": self.joined, "not used": self.unused}
        return "; ".join(f"{what}: {field_list(names)}" for what, names in said.items() if names)


def missing_text_error(raw: Mapping[str, Any], where: str, ours: Collection[str]) -> UserError:
    """Names the fields of a row without an instruction, and the one that it most likely stands in.

    That is a field with a usual name, else the one with the longest text, `ours` and answers aside.
    """
    plain = {str(key).strip().lower(): key for key in raw}
    likely = next((plain[name] for name in LIKELY if name in plain), None)
    if likely is None:
        texts = {
            key: value
            for name, key in plain.items()
            if isinstance(value := raw[key], str) and value.strip() and name not in ours and name not in ANSWERS
        }
        likely = max(texts, key=lambda key: len(texts[key]), default=None)
    remedy = "every instruction needs text" if likely is None else f"rename {field_list([likely])} to instruction"
    what = f"no text; the fields are {field_list(raw)}" if raw else "no text"
    return UserError(what, where=f"{where}, key instruction", remedy=remedy)


def field_list(names: Iterable[Any], most: int = 20) -> str:
    """Names of fields in one line that does no harm to a terminal."""
    shown = [str(name) if str(name).strip() and str(name).isprintable() else repr(name) for name in names]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
