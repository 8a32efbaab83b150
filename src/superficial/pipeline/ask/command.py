"""The command `ask`: questions go through the workflow's stages, and the answers are shown in the terminal."""

import sys
import webbrowser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from superficial.artifacts.errors import UserError
from superficial.config.schema import PairConfig
from superficial.pipeline.ask.question import dataset_of, write_questions
from superficial.pipeline.ask.workflow import make
from superficial.pipeline.checks import check_run
from superficial.pipeline.commands import COMMANDS, is_override
from superficial.pipeline.run import Run
from superficial.pipeline.slices.probes import further_contexts

RESULTS = Path("results")
FOLDER = RESULTS / "ask"


@dataclass(frozen=True)
class Asked:
    """What the words of the command mean."""

    questions: Sequence[str]
    overrides: Sequence[str]
    compare: str | None = None  # a method
    open_page: bool = False

    @classmethod
    def read(cls, words: Sequence[str]) -> "Asked":
        """From the words in any order; a UserError for what is not understood.

        >>> Asked.read(["Why?", "pair=custom", "--compare", "urial_k3"])
        Asked(questions=['Why?'], overrides=['pair=custom'], compare='urial_k3', open_page=False)
        """
        questions: list[str] = []
        overrides: list[str] = []
        compare, open_page, rest = None, False, iter(words)
        for word in rest:
            if word == "--open":
                open_page = True
            elif word == "--compare" or word.startswith("--compare="):
                compare = word.partition("=")[2] or next(rest, "")
                if not compare:
                    raise UserError("it names no method", where="--compare", remedy="--compare urial_k3")
            elif word.startswith("--"):
                raise UserError(f"{word!r} is not understood", where="ask", remedy="superficial ask --help")
            elif is_override(word):
                overrides.append(word)
            elif word.strip():
                questions.append(word)
        if not questions:
            raise UserError("no question", where="ask", remedy=COMMANDS["ask"].example)
        return cls(questions, overrides, compare, open_page)


def main(words: Sequence[str]) -> None:
    """Print the answers on stdout; what happens meanwhile is on stderr."""
    asked = Asked.read(words)
    name, path = dataset_of(asked.questions), write_questions(asked.questions, FOLDER)
    overrides = ["contexts=[]", *asked.overrides, f"dataset.path={path}", f"dataset.name={name}", "dataset.limit=null"]
    run = Run(Path("config"), overrides)
    check_run(run)
    if asked.compare is not None:
        run.method(asked.compare)  # an unknown one is refused before anything is made
    targets = [file for pair in run.pairs.values() for file in targets_of(run, pair, asked.compare)]
    make(targets, overrides, RESULTS / f"logs/ask/{name}.log", Console(stderr=True))
    _show(run, asked)
    if asked.open_page:
        from superficial.pipeline.ask.page import write_page

        page = write_page(run, FOLDER / name, RESULTS)
        print(f"\n{page}", flush=True)
        webbrowser.open(page.as_uri())


def targets_of(run: Run, pair: PairConfig, compare: str | None) -> Iterator[str]:
    """What is needed of one pair: token tables, and the base's own answer if one is asked for."""
    settings = run.settings
    for context in (settings.context.name, *further_contexts(run)):
        yield f"results/shifts/{settings.dataset.name}/{pair.name}/{context}.parquet"
    if compare is not None:
        yield f"results/responses/{settings.dataset.name}/{pair.base.name}/{compare}.parquet"


def _show(run: Run, asked: Asked) -> None:
    from superficial.pipeline.ask.answer import answers  # pandas is slow to import, and the workflow can start before
    from superficial.pipeline.ask.shown import show

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    for pair in run.pairs.values():
        for number, answer in enumerate(answers(run, pair, asked.questions, asked.compare, RESULTS)):
            if number or pair is not next(iter(run.pairs.values())):
                console.rule(characters="─")
            show(answer, console)
