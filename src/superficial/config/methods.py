"""Methods of a run: changes to them on the command line, and where their prompts come from."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Literal

from superficial.artifacts.errors import UserError
from superficial.config.schema import MethodConfig

CHANGE = re.compile(r"(?P<delete>~)?\+*method\.(?P<name>\w+)\.(?P<change>.+)", re.DOTALL)


def split_changes(overrides: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Overrides of the run, and by name those of a method: `method.NAME.KEY=VALUE`, or `~method.NAME.KEY`.

    >>> split_changes(["seed=1", "method.urial_k3.prompt.system=null", "+method.urial_k3.prompt.examples.ids=[a,b]"])
    (['seed=1'], {'urial_k3': ['prompt.system=null', 'prompt.examples.ids=[a,b]']})
    """
    others: list[str] = []
    changes: dict[str, list[str]] = {}
    for entry in overrides:
        found = CHANGE.fullmatch(entry)
        if found:
            changes.setdefault(found["name"], []).append((found["delete"] or "") + found["change"])
        else:
            others.append(entry)
    return others, changes


def as_overrides(changes: Sequence[str], key: str) -> list[str]:
    """Changes of a method as Hydra's overrides of the one that stands at `key`; a key need not be in its file.

    >>> as_overrides(["prompt.system=null", "~prompt.examples"], "context")
    ['++context.prompt.system=null', '~context.prompt.examples']
    """
    return [f"~{key}.{entry[1:]}" if entry.startswith("~") else f"++{key}.{entry}" for entry in changes]


def with_prompt_source(method: MethodConfig, source: Literal["ours", "published"]) -> MethodConfig:
    """`method` with one source of its prompt left: our files, or the paper's own text where it has one."""
    dropped = ("system", "examples") if source == "published" and method.prompt.published else ("published",)
    return method.model_copy(update={"prompt": method.prompt.model_copy(update=dict.fromkeys(dropped))})


def with_date(method: MethodConfig, day: date) -> MethodConfig:
    """`method` with the `day` for chat templates that ask for it, where it names none itself."""
    if method.prompt.kind != "chat" or method.prompt.date is not None:
        return method
    return method.model_copy(update={"prompt": method.prompt.model_copy(update={"date": day})})


def check_changes(
    name: str, changes: Sequence[str], method: MethodConfig, source: Literal["ours", "published"]
) -> None:
    """Refuse changes to parts of the prompt that the paper's own text stands for."""
    lost = [change for change in changes if re.match(r"[~+]*prompt\.(system|examples)\b", change)]
    if lost and source == "published" and method.prompt.published:
        raise UserError(
            f"{lost[0]} changes nothing: {method.prompt.published} has the whole prompt",
            where=f"--config hydra, method {name}",
            remedy=f"add method.{name}.prompt.published=null, or take our own prompts, prompt_source=ours",
        )
