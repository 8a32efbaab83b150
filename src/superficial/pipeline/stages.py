"""The stages of the workflow: the module that does each one, the configuration it reads, and the code it hangs on."""

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel

from superficial.config import schema

PACKAGE = Path(__file__).resolve().parents[1]
IMPORT = re.compile(r"^ *(?:from|import) +(superficial[\w.]*)(?: +import +(\([^)]*\)|.*))?", re.MULTILINE)


@dataclass(frozen=True)
class Stage:
    """`run(cfg, runtime, **files)` of `module` makes the artifact."""

    module: str
    config: type[BaseModel]

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
    "model": Stage("superficial.models.fetch", schema.ModelConfig),
    "data": Stage("superficial.data.stage", schema.DatasetConfig),
    "pair": Stage("superficial.shift.pair.stage", schema.Nothing),
    "embedding_model": Stage("superficial.prompts.retrieval.embedding_model", schema.EmbeddingConfig),
    "index": Stage("superficial.prompts.retrieval.index", schema.IndexStage),
    "retrieve": Stage("superficial.prompts.retrieval.retrieve", schema.RetrieveStage),
    "published_prompt": Stage("superficial.prompts.published", schema.PublishedPromptStage),
    "generate": Stage("superficial.inference.generate.stage", schema.GenerateStage),
    "score": Stage("superficial.shift.score", schema.ScoreStage),
    "rescore": Stage("superficial.shift.definitions.rescore", schema.RescoreStage),
    "compare": Stage("superficial.shift.compare", schema.CompareConfig),
    "definitions": Stage("superficial.shift.definitions.variants", schema.Nothing),
    "stats": Stage("superficial.shift.statistics.tables", schema.StatsConfig),
    "handoff": Stage("superficial.probes.handoff.stage", schema.HandoffStage),
    "handoff_stats": Stage("superficial.probes.handoff.statistics", schema.IntervalsConfig),
    "prefill": Stage("superficial.probes.prefill.stage", schema.PrefillStage),
    "prefill_stats": Stage("superficial.probes.prefill.statistics", schema.IntervalsConfig),
    "refusals_agreement": Stage("superficial.judging.refusals.agreement", schema.Nothing),
    "causal": Stage("superficial.probes.causal.stage", schema.CausalStage),
    "causal_stats": Stage("superficial.probes.causal.means", schema.IntervalsConfig),
    "byte_pair": Stage("superficial.probes.spans.pair", schema.Nothing),
    "spans": Stage("superficial.probes.spans.stage", schema.ScoreStage),
    "span_stats": Stage("superficial.probes.spans.statistics", schema.IntervalsConfig),
    "prompt_search": Stage("superficial.probes.search.stage", schema.SearchStage),
    "prompt_search_stats": Stage("superficial.probes.search.stats", schema.IntervalsConfig),
    "safety_depth": Stage("superficial.probes.safety_depth", schema.IntervalsConfig),
    "ladder": Stage("superficial.probes.ladder.stage", schema.IntervalsConfig),
    "kinds": Stage("superficial.shift.kinds.stage", schema.Nothing),
    "kinds_agreement": Stage("superficial.shift.kinds.agreement", schema.Nothing),
    "align_examples": Stage("superficial.align.examples", schema.AlignExamplesStage),
    "align": Stage("superficial.align.stage", schema.AlignConfig),
    "figures/shift_example": Stage("superficial.views.figures.shift_example", schema.FigureStage),
    "figures/shift_ratio": Stage("superficial.views.figures.shift_ratio", schema.RatioFigure),
    "figures/shift_browser": Stage("superficial.views.browser.site", schema.BrowserStage),
    "figures/shift_by_position": Stage("superficial.views.figures.shift_by_position", schema.FigureStage),
    "figures/shift_by_topic": Stage("superficial.views.figures.shift_by_topic", schema.FigureStage),
    "figures/shift_by_kind": Stage("superficial.views.figures.shift_by_kind", schema.FigureStage),
    "figures/prefix_handoff": Stage("superficial.views.figures.prefix_handoff", schema.FigureStage),
    "figures/stage_ladder": Stage("superficial.views.figures.stage_ladder", schema.LadderFigure),
    "figures/causal_swap": Stage("superficial.views.figures.causal_swap", schema.CausalFigure),
    "figures/byte_spans": Stage("superficial.views.figures.byte_spans", schema.FigureStage),
    "figures/prompt_search": Stage("superficial.views.figures.prompt_search", schema.SearchFigure),
    "figures/safety_depth": Stage("superficial.views.figures.safety_depth", schema.FigureStage),
    "judge": Stage("superficial.judging.judges.stage", schema.JudgeStage),
    "canaries": Stage("superficial.judging.judges.canaries", schema.CanariesStage),
    "pairwise": Stage("superficial.judging.judges.pairwise", schema.PairwiseStage),
    "trust": Stage("superficial.judging.judges.trust", schema.TrustStage),
    "figures/judge_trust": Stage("superficial.views.figures.judge_trust", schema.TrustFigure),
    "tables/pairwise": Stage("superficial.views.tables.pairwise", schema.PairwiseTable),
    "tables/cases": Stage("superficial.views.tables.cases", schema.CasesTable),
    "figures/case_browser": Stage("superficial.views.cases.stage", schema.CasesTable),
    "published": Stage("superficial.judging.published.stage", schema.PublishedStage),
    "published_answers": Stage("superficial.judging.published.answers", schema.PublishedAnswers),
    "published_judged": Stage("superficial.judging.published.judged", schema.PublishedJudged),
    "export": Stage("superficial.judging.published.export", schema.ExportStage),
    "judged": Stage("superficial.judging.scores.stage", schema.JudgedStage),
    "figures/dataset_stats": Stage("superficial.views.figures.dataset_stats", schema.DatasetFigure),
    "figures/aspects_radar": Stage("superficial.views.figures.aspects_radar", schema.JudgedFigure),
    "figures/tasks_topics_radar": Stage("superficial.views.figures.tasks_topics_radar", schema.JudgedFigure),
    "tables/published_scores": Stage("superficial.views.tables.published_scores", schema.PublishedTable),
    "tables/scores": Stage("superficial.views.tables.scores", schema.ScoresTable),
    "response_stats": Stage("superficial.judging.responses.stage", schema.ResponseStatsStage),
    "tables/responses": Stage("superficial.views.tables.responses", schema.ResponsesView),
    "figures/method_failures": Stage("superficial.views.figures.method_failures", schema.FailuresFigure),
    "figures/methods_example": Stage("superficial.views.figures.methods_example", schema.MethodsExample),
    "report": Stage("superficial.views.report.stage", schema.ReportStage),
    "manifest": Stage("superficial.pipeline.provenance.stage", schema.Nothing),
    "contexts": Stage("superficial.probes.contexts.stage", schema.IntervalsConfig),
    "figures/urial_recovery": Stage("superficial.views.figures.urial_recovery", schema.ContextsFigure),
    "figures/entropy": Stage("superficial.views.figures.entropy", schema.ContextsFigure),
    "tables/urial_recovery": Stage("superficial.views.tables.urial_recovery", schema.ContextsTable),
    "tables/findings": Stage("superficial.views.tables.findings", schema.FindingsTable),
    "tables/prompt_search": Stage("superficial.views.tables.prompt_search", schema.SearchTable),
    "tables/definitions": Stage("superficial.views.tables.definitions", schema.DefinitionsTable),
}


def code_of(stage: str) -> list[str]:
    """Source files that the result of `stage` hangs on: its module and, transitively, what that imports from here.

    Snakemake tracks no imported module by itself; declared as inputs, these files are compared by checksum.
    """
    found: set[Path] = set()
    waiting = [_file(STAGES[stage].module)]
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
