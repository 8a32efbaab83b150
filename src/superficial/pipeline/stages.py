"""The stages of the workflow: the module that does each one, and the code that its result depends on.

Figures and tables stand in no list: each declares itself (`views/view.py`).
"""

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import get_type_hints

from pydantic import BaseModel

from superficial.views.declared import declared

PACKAGE = Path(__file__).resolve().parents[1]
IMPORT = re.compile(r"^ *(?:from|import) +(superficial[\w.]*)(?: +import +(\([^)]*\)|.*))?", re.MULTILINE)


@dataclass(frozen=True)
class Stage:
    """`run(cfg, runtime, **files)` of `module` makes the artifact."""

    module: str

    @property
    def config(self) -> type[BaseModel]:
        """What the stage reads of the configuration: the type of `cfg`."""
        found: type[BaseModel] = get_type_hints(self.run)["cfg"]
        return found

    @property
    def run(self) -> Callable[..., None]:
        """The stage's function; its module is imported on first use, so that light stages start fast."""
        function: Callable[..., None] = importlib.import_module(self.module).run
        return function

    @property
    def share(self) -> Callable[..., None]:
        """`share(cfg, runtime, shard, **files)` does a part of the work of `run` beforehand; few stages have it."""
        function: Callable[..., None] = importlib.import_module(self.module).share
        return function


STAGES: Mapping[str, Stage] = {
    "model": Stage("superficial.models.stage"),
    "data": Stage("superficial.data.stage"),
    "pair": Stage("superficial.shift.pair.stage"),
    "embedding_model": Stage("superficial.prompts.retrieval.embedding_model"),
    "index": Stage("superficial.prompts.retrieval.index"),
    "retrieve": Stage("superficial.prompts.retrieval.retrieve"),
    "published_prompt": Stage("superficial.prompts.published"),
    "generate": Stage("superficial.inference.generate.stage"),
    "generate_together": Stage("superficial.inference.generate.together"),
    "score": Stage("superficial.shift.score"),
    "rescore": Stage("superficial.shift.definitions.rescore"),
    "compare": Stage("superficial.shift.compare"),
    "definitions": Stage("superficial.shift.definitions.variants"),
    "stats": Stage("superficial.shift.statistics.stage"),
    "token_column": Stage("superficial.shift.statistics.token_column"),
    "handoff": Stage("superficial.probes.handoff.stage"),
    "handoff_stats": Stage("superficial.probes.handoff.statistics"),
    "prefill": Stage("superficial.probes.prefill.stage"),
    "prefill_stats": Stage("superficial.probes.prefill.statistics"),
    "refusals_agreement": Stage("superficial.judging.refusals.agreement"),
    "causal": Stage("superficial.probes.causal.stage"),
    "causal_stats": Stage("superficial.probes.causal.statistics"),
    "byte_pair": Stage("superficial.probes.spans.byte_pair"),
    "spans": Stage("superficial.probes.spans.stage"),
    "span_stats": Stage("superficial.probes.spans.statistics"),
    "prompt_search": Stage("superficial.probes.search.stage"),
    "prompt_search_stats": Stage("superficial.probes.search.statistics"),
    "safety_depth": Stage("superficial.probes.safety_depth"),
    "ladder": Stage("superficial.probes.ladder.stage"),
    "kinds": Stage("superficial.shift.kinds.stage"),
    "kinds_agreement": Stage("superficial.shift.kinds.agreement"),
    "align_examples": Stage("superficial.align.examples"),
    "align": Stage("superficial.align.stage"),
    "judge": Stage("superficial.judging.judges.stage"),
    "canaries": Stage("superficial.judging.judges.canaries"),
    "pairwise": Stage("superficial.judging.judges.pairwise"),
    "trust": Stage("superficial.judging.judges.trust"),
    "published": Stage("superficial.judging.published.stage"),
    "published_answers": Stage("superficial.judging.published.answers"),
    "published_judged": Stage("superficial.judging.published.judged"),
    "export": Stage("superficial.judging.published.export"),
    "judged": Stage("superficial.judging.scores.stage"),
    "response_stats": Stage("superficial.judging.responses.stage"),
    "report": Stage("superficial.views.report.stage"),
    "index_page": Stage("superficial.views.index.stage"),
    "manifest": Stage("superficial.pipeline.provenance.stage"),
    "contexts": Stage("superficial.probes.contexts.stage"),
    **{name: Stage(view.module) for name, view in declared().items()},
}


def code_of(stage: str) -> list[str]:
    """Source files that the result of `stage` depends on: its module and, transitively, what that imports from here.

    Snakemake tracks no imported module by itself; declared as inputs, these files are compared by checksum.
    """
    return source_files(STAGES[stage].module)


def source_files(module: str) -> list[str]:
    """The source files of a module and, transitively, of what it imports from here; none where it is not there."""
    found: set[Path] = set()
    waiting = [_file(module)]
    while waiting:
        file = waiting.pop()
        if file is None or file in found:
            continue
        found.add(file)
        waiting += map(_file, imported(file))
    return sorted(map(str, found))


@cache
def imported(file: Path) -> frozenset[str]:
    """Names that `file` may import from this package, for whatever purpose; read once, as nearly every stage has it.

    Read by pattern, because every start of the workflow reads all files and a parser takes half a second for them.
    """
    found: set[str] = set()
    for module, names in IMPORT.findall(file.read_text(encoding="utf-8")):
        found |= {module, *(f"{module}.{name}" for name in re.findall(r"\w+", names))}
    return frozenset(found)


@cache
def _file(module: str) -> Path | None:
    """The file of a module of this package, else None. Package files hold no code and the schema has its slices."""
    parts = module.split(".")
    if parts[0] != "superficial" or parts[1:3] == ["config", "schema"]:
        return None
    file = PACKAGE.joinpath(*parts[1:]).with_suffix(".py")
    return file if file.is_file() else None
