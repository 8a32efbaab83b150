"""What a judge is asked, and what it gives back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from superficial.artifacts.errors import UserError
from superficial.config.schema.judge import AskedJudge, AskedLocal, AskedModule, AskedServer, AskedStarted, PromptFiles
from superficial.judging.judges.aspects import ASPECTS, compared
from superficial.judging.judges.choices import Choice
from superficial.judging.judges.parse import Verdict
from superficial.judging.judges.rubric import Rubric, read_rubric

Kind = TypeVar("Kind", Verdict, Choice)


@dataclass(frozen=True)
class Item:
    """One prompt: `name` says in messages what it is about, `slots` are the texts that fill the rubric."""

    name: str
    category: str
    slots: Mapping[str, str]  # instruction and response, or instruction, response_a and response_b
    repeat: int = 0  # above 0: asked once more, though the answer to the same prompt is known

    @property
    def paired(self) -> bool:
        """Whether two responses are compared."""
        return "response_a" in self.slots

    @property
    def aspects(self) -> tuple[str, ...]:
        """What is asked about."""
        return compared(self.category) if self.paired else ASPECTS[self.category]


@dataclass(frozen=True)
class Judged(Generic[Kind]):
    """One aspect's verdict or choice, and what it was read from."""

    said: Kind
    raw: str


class Judge(Protocol):
    """A judge that can be asked. Both methods answer every item, in a mapping from its name and the aspect."""

    def scores(self, items: Sequence[Item]) -> dict[tuple[str, str], Judged[Verdict]]:
        """Scores of single responses."""

    def choices(self, items: Sequence[Item]) -> dict[tuple[str, str], Judged[Choice]]:
        """Choices between two responses."""


def rubrics(files: PromptFiles, items: Sequence[Item]) -> dict[tuple[str, bool], Rubric]:
    """The rubrics that `items` need, by category and whether two responses are compared."""
    found: dict[tuple[str, bool], Rubric] = {}
    for category, paired in {(item.category, item.paired) for item in items}:
        slots = ("instruction", "response_a", "response_b") if paired else ("instruction", "response")
        path = Path(getattr(files, f"pairwise_{category}" if paired else category))
        found[category, paired] = read_rubric(path, slots, guarded=files.guarded)
    return found


def require_askable(judge: AskedJudge) -> AskedLocal | AskedServer | AskedStarted | AskedModule:
    """Refuse a judge that holds finished judgments: nothing new can be asked of it."""
    if isinstance(judge, AskedLocal | AskedServer | AskedStarted | AskedModule):
        return judge
    raise UserError("it cannot be asked anything", where=f"judge {judge.name}", remedy="take a judge that is a model")
