"""What each stage reads of the configuration: an edit elsewhere must not rerun it."""

from collections.abc import Callable, Mapping

from pydantic import BaseModel

from superficial.config import schema
from superficial.config.experiment import Experiment
from superficial.config.schema.server import ModuleEngine
from superficial.pipeline.slices import judging, probes
from superficial.pipeline.slices import responses as answering
from superficial.pipeline.slices.views import browser, definitions_table, figure, pairs_table, ratio_figure, report
from superficial.pipeline.systems import about_published, all_scoring, judged_systems, system_name

Slice = Callable[[Experiment, str], BaseModel]


def generate(run: Experiment, method: str) -> schema.GenerateStage:
    """Prompt and decoding of the method, and who answers."""
    chosen, engine, most = run.method(method), run.settings.engine, run.settings.generate.max_new_tokens
    server: schema.AnsweredBy | schema.AnsweredByStarted | ModuleEngine | None = _started(run)
    if isinstance(engine, ModuleEngine):
        server = engine
    if isinstance(engine, schema.ServerEngine):
        server = schema.AnsweredBy(model=engine.model, revision=engine.revision, penalty_field=engine.penalty_field)
    return schema.GenerateStage(max_new_tokens=most, prompt=chosen.prompt, decoding=chosen.decoding, server=server)


def generate_together(run: Experiment, model: str) -> schema.TogetherStage:
    """Every method by which the model answers in this run."""
    return schema.TogetherStage(methods={name: generate(run, name) for name in answering.methods_of(run, model)})


def _started(run: Experiment) -> schema.AnsweredByStarted | None:
    """The server that jobs of this run start to decode, as far as it decides what is decoded."""
    engine = run.settings.engine
    if not isinstance(engine, schema.StartedEngine):
        return None
    decides = engine.model_dump(include=set(schema.AnsweredByStarted.model_fields))
    return schema.AnsweredByStarted.model_validate(decides)


def align_examples(run: Experiment, _: str) -> schema.AlignExamplesStage:
    """The rules, and the prompts: what a template writes before an answer is part of it."""
    rules = run.settings.align.answers.model_dump()
    return schema.AlignExamplesStage(prompts={name: run.method(name).prompt for name in rules.pop("methods")}, **rules)


def align(run: Experiment, _: str) -> schema.AlignStage:
    """The prompt of the reference by its words, not by the name of its method."""
    cfg = run.settings.align
    return schema.AlignStage(**dict(cfg), prompt=run.method(cfg.reference).prompt)


def retrieve(run: Experiment, method: str) -> schema.RetrieveStage:
    """How many neighbours, and which examples are too near."""
    asked = run.neighbours(method)
    return schema.RetrieveStage(k=asked.k, duplicates=run.index(asked.index).duplicates)


def score(run: Experiment, method: str) -> schema.ScoreStage:
    """The context under which the responses are scored."""
    return schema.ScoreStage(context=run.method(method).prompt)


def rescore(run: Experiment, change: str) -> schema.RescoreStage:
    """One change of the base's context."""
    return schema.RescoreStage(change=change, context=run.settings.context.prompt if change == "two_bos" else None)


def handoff(run: Experiment, _: str) -> schema.HandoffStage:
    """The bounds of the hand-off, and the base's context."""
    context = run.settings.context.prompt
    return schema.HandoffStage(**dict(run.settings.handoff), context=context, server=_started(run))


def prefill(run: Experiment, method: str) -> schema.PrefillStage:
    """The openings, and how the model is asked."""
    chosen = run.method(method)
    how = {"prompt": chosen.prompt, "decoding": chosen.decoding, "server": _started(run)}
    return schema.PrefillStage(**dict(run.settings.prefill), **how)


def causal(run: Experiment, _: str) -> schema.CausalStage:
    """What is swapped, the base's context, and what stands around the thinking in the aligned model's responses."""
    settings = run.settings
    thinking = settings.response.prompt.thinking
    return schema.CausalStage(**dict(settings.causal), context=settings.context.prompt, thinking=thinking)


def published_table(run: Experiment, _: str) -> schema.PublishedTable:
    """Intervals, what N/A means, and who judged."""
    view = judged_view(run)
    return schema.PublishedTable(**run.settings.stats.intervals, na_as_five=view.na_as_five, judge=view.judge)


def published_judged(run: Experiment, _: str = "") -> schema.PublishedJudged:
    """Judges of this run that are given published responses, and whose responses those are."""
    return schema.PublishedJudged(
        judges=all_scoring(run), systems=[system_name(*system) for system in judged_systems(run)]
    )


def published_answers(run: Experiment, _: str) -> schema.PublishedAnswers:
    """Of a part of the dataset, only what was published about that part counts."""
    return schema.PublishedAnswers(partly=run.settings.dataset.limit is not None)


def trust_figure(run: Experiment, _: str) -> schema.TrustFigure:
    """The look, and the judge of the run."""
    view = judged_view(run).model_copy(update={"judge": judging.judge_title(run.settings.judge)})
    return schema.TrustFigure(**dict(run.settings.figure), **dict(view))


def judged(run: Experiment, _: str) -> schema.JudgedStage:
    """Intervals, what N/A means, and whose judgments are read."""
    view = judged_view(run)
    return schema.JudgedStage(
        **run.settings.stats.intervals,
        na_as_five=view.na_as_five,
        judge=view.judge.name,
        systems=[system.name for system in view.systems],
    )


def judged_view(run: Experiment) -> schema.JudgedView:
    """Whose scores tables and figures show: those of this run's systems, or the published ones."""
    settings, asked = run.settings, []
    if about_published(run):
        judges = [run.judge(name) for name in published_judged(run).judges]
        asked, systems = [judge.name for judge in judges], []
        judge = schema.JudgeTitle(
            name="published",
            title="; ".join(["as published", *(f"{judge.name}: {judge.title}" for judge in judges)]),
            caveat=" ".join(judge.caveat.strip() for judge in judges),
        )
    else:
        judge = judging.judge_title(settings.judge)
        systems = [
            schema.SystemTitle(name=f"{model}.{method}", title=f"{run.model(model).title}, {run.method(method).title}")
            for model, method in run.systems
        ]
    return schema.JudgedView(
        dataset=settings.dataset.name,
        dataset_title=run.dataset_title,
        confidence=settings.stats.confidence,
        na_as_five=settings.na_as_five,
        judge=judge,
        systems=systems,
        asked=asked,
    )


def judged_figure(run: Experiment, _: str) -> schema.JudgedFigure:
    """The look, whose scores, and which systems belong to one pair: they are compared with each other."""
    view = judged_view(run)
    names = {system.name: system.title for system in view.systems}
    groups = [
        schema.SystemGroup(
            title=pair.title, systems=[names[".".join(system)] for system in answering.systems_of(run, pair.name)]
        )
        for pair in (run.pairs.values() if names and len(run.pairs) > 1 else ())
    ]
    return schema.JudgedFigure(**dict(run.settings.figure), **dict(view), groups=groups)


def export(run: Experiment, model: str) -> schema.ExportStage:
    """The model as the exported file names it."""
    return schema.ExportStage(generator=run.model(model).title, dataset=run.settings.dataset.name)


SLICES: Mapping[str, Slice] = {
    "judge": judging.judge_stage,
    "canaries": judging.canaries,
    "pairwise": judging.pairwise,
    "trust": judging.trust,
    "trust_figure": trust_figure,
    "pairwise_table": judging.pairwise_table,
    "cases": judging.cases,
    "published": lambda run, _: schema.PublishedStage(
        **dict(published_answers(run, "")), folder=run.settings.published_dir
    ),
    "published_answers": published_answers,
    "published_judged": published_judged,
    "published_table": published_table,
    "export": export,
    "judged": judged,
    "judged_figure": judged_figure,
    "scores_table": lambda run, _: schema.ScoresTable(
        **dict(judged_view(run)), published=run.settings.reference.scores
    ),
    "dataset_figure": lambda run, _: schema.DatasetFigure(
        **dict(run.settings.figure),
        dataset=run.settings.dataset.name,
        dataset_title=run.dataset_title,
        shares=run.settings.reference.shares,
    ),
    "model": lambda run, name: run.model(name),
    "data": lambda run, name: run.dataset(name),
    "pair": lambda run, _: schema.Nothing(),
    "published_prompt": lambda run, file: schema.PublishedPromptStage(file=file),
    "generate": generate,
    "generate_together": generate_together,
    "embedding_model": lambda run, name: run.embedding(name),
    "index": lambda run, name: schema.IndexStage(corpus=run.index(name).corpus),
    "retrieve": retrieve,
    "score": score,
    "rescore": rescore,
    "compare": lambda run, _: run.settings.compare,
    "stats": lambda run, _: run.settings.stats,
    "intervals": lambda run, _: schema.IntervalsConfig(**run.settings.stats.intervals),
    "handoff": handoff,
    "prefill": prefill,
    "causal": causal,
    "prompt_search": probes.prompt_search,
    "search_figure": lambda run, _: schema.SearchFigure(**dict(figure(run, "")), **probes.searched(run)),
    "search_table": lambda run, _: schema.SearchTable(**pairs_table(run), **probes.searched(run)),
    "align_examples": align_examples,
    "align": align,
    "figure": figure,
    "ratio_figure": ratio_figure,
    "ladder_figure": lambda run, _: schema.LadderFigure(**dict(figure(run, "")), ladders=probes.ladders(run)),
    "contexts_figure": lambda run, _: schema.ContextsFigure(
        **dict(figure(run, "")), contexts=probes.context_titles(run)
    ),
    "causal_figure": lambda run, _: schema.CausalFigure(
        **dict(figure(run, "")), judge=judging.judge_title(run.settings.judge)
    ),
    "findings_table": lambda run, _: schema.FindingsTable(
        **pairs_table(run), contexts=probes.context_titles(run), published=run.settings.reference.token_shift
    ),
    "contexts_table": lambda run, _: schema.ContextsTable(**pairs_table(run), contexts=probes.context_titles(run)),
    "pairs_table": lambda run, _: schema.PairsTable(**pairs_table(run)),
    "browser": browser,
    "report": report,
    "definitions_table": definitions_table,
    "response_stats": answering.response_stats,
    "responses_table": answering.responses_view,
    "failures_figure": answering.failures_figure,
    "methods_example": answering.methods_example,
}
