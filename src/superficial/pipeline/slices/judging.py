"""What the stages of judging read of the configuration."""

from pathlib import Path

from superficial.config.experiment import Experiment
from superficial.config.schema.judge import (
    CanariesStage,
    CasesTable,
    Comparison,
    ImportedJudge,
    JudgeConfig,
    JudgeStage,
    LocalJudge,
    ModuleJudge,
    PairwiseStage,
    PairwiseTable,
    ServerJudge,
    StartedJudge,
    TrustStage,
    VotesJudge,
)
from superficial.config.schema.scores import JudgeTitle, SystemTitle
from superficial.judging.published.file_names import published_files
from superficial.pipeline.stages import source_files
from superficial.pipeline.systems import (
    about_published,
    judged_systems,
    scoring,
    system_name,
)


def comparisons(run: Experiment) -> dict[str, Comparison]:
    """The comparisons of this run by name; one whose systems do not both answer in it is left out."""
    found: dict[str, Comparison] = {}
    if about_published(run):
        return found
    for pair in run.pairs.values():
        roles = {"base": pair.base.name, "aligned": pair.aligned.name}
        for one in run.settings.pairwise.systems:
            a, b = (_system(run, name, roles) for name in (one.a, one.b))
            if a in run.systems and b in run.systems and a != b:
                name = f"{'.'.join(a)}--{'.'.join(b)}"
                found[name] = Comparison(name=name, a=_title(run, *a), b=_title(run, *b))
    return found


def _system(run: Experiment, name: str, roles: dict[str, str]) -> tuple[str, str]:
    """ROLE.METHOD or MODEL.METHOD; "aligned" alone answers as the run asks it."""
    model, _, method = name.partition(".")
    return roles.get(model, model), method or run.settings.response.name


def _title(run: Experiment, model: str, method: str) -> SystemTitle:
    return SystemTitle(name=f"{model}.{method}", title=f"{run.model(model).title}, {run.method(method).title}")


def comparing(run: Experiment) -> list[str]:
    """Names of the judges that compare systems, the run's own first."""
    names = dict.fromkeys((run.settings.judge.name, *run.settings.trust.beside))
    return [name for name in names if not isinstance(run.judge(name), ImportedJudge)]


def askable(run: Experiment) -> bool:
    """Whether the judge of the run is a model that can be asked more."""
    return not isinstance(run.settings.judge, ImportedJudge | VotesJudge)


def beside_responses(run: Experiment) -> JudgeTitle | None:
    """The judge whose reasons pages show beside an aligned model's response: the run's own, if it gives scores."""
    own = not about_published(run) and scoring(run, beside=False)
    return judge_title(run.settings.judge) if own else None


def judged_again(run: Experiment) -> list[tuple[str, str]]:
    """Systems (model, method) whose responses show what moves the judge: aligned models, or a published one."""
    if not askable(run):
        return []
    if about_published(run):
        return judged_systems(run)[:1]
    aligned = dict.fromkeys(pair.aligned.name for pair in run.pairs.values())
    return [(model, run.settings.response.name) for model in aligned]


def vote_files(judge: JudgeConfig) -> list[str]:
    """The CSV of a judge that holds votes."""
    return [judge.source] if isinstance(judge, VotesJudge) else []


def judge_model(judge: JudgeConfig) -> list[str]:
    """Manifest of the model that a judge needs here: one, or none."""
    return [f"results/models/{judge.model}/manifest.json"] if isinstance(judge, LocalJudge | StartedJudge) else []


def judge_files(judge: JudgeConfig, *, paired: bool = False) -> list[str]:
    """Every file that a judge reads, as inputs of a rule; the code of a kind that is a module of its own."""
    if isinstance(judge, ImportedJudge) and judge.source is not None and not paired:
        return list(map(str, published_files(Path(judge.source))))
    if isinstance(judge, ModuleJudge):
        return source_files(f"superficial.judging.kinds.{judge.module}")
    if not isinstance(judge, LocalJudge | ServerJudge | StartedJudge):
        return []
    kinds = ("pairwise_regular", "pairwise_safety") if paired else ("regular", "safety")
    texts = [getattr(judge.prompt_files, kind) for kind in kinds]
    return sorted({*texts, judge.questions if isinstance(judge, LocalJudge) else judge.repair})


def judge_stage(run: Experiment, name: str) -> JudgeStage:
    """The judge and the system, from JUDGE/MODEL.METHOD."""
    judge, system = name.split("/")
    model, _, method = system.partition(".")
    return JudgeStage(judge=run.judge(judge), system=system_name(model, method))


def canaries(run: Experiment, name: str) -> CanariesStage:
    """The judge, the system, and what is changed about how many of its responses."""
    stage = judge_stage(run, name)
    return CanariesStage(**dict(stage), **dict(run.settings.canaries))


def pairwise(run: Experiment, name: str) -> PairwiseStage:
    """The judge and the comparison, from JUDGE/COMPARISON."""
    judge, comparison = name.split("/")
    compared = comparisons(run)[comparison]
    return PairwiseStage(
        judge=run.judge(judge),
        a=compared.a.name,
        b=compared.b.name,
        examples=run.settings.pairwise.examples,
        seed=run.settings.pairwise.seed,
    )


def trust(run: Experiment, _: str) -> TrustStage:
    """Intervals, and whose judgments the files hold."""
    systems = [system_name(*system) for system in judged_systems(run)]
    return TrustStage(
        **run.settings.stats.intervals,
        judge=run.settings.judge.name,
        systems=systems,
        others=scoring(run, beside=True),
        comparisons=list(comparisons(run)),
    )


def pairwise_table(run: Experiment, _: str) -> PairwiseTable:
    """Intervals, judges, comparisons, and the paper's rows."""
    settings = run.settings
    return PairwiseTable(
        **settings.stats.intervals,
        dataset=settings.dataset.name,
        dataset_title=run.dataset_title,
        judge=judge_title(settings.judge),
        asked=[judge_title(run.judge(name)) for name in comparing(run)],
        scored=bool(scoring(run, beside=False)),
        comparisons=list(comparisons(run).values()),
        published=settings.reference.comparisons,
    )


def cases(run: Experiment, _: str) -> CasesTable:
    """Which comparisons, and how many instructions of each; none where the judge gives no scores."""
    settings = run.settings
    return CasesTable(
        dataset=settings.dataset.name,
        dataset_title=run.dataset_title,
        judge=judge_title(settings.judge),
        comparisons=list(comparisons(run).values()) if scoring(run, beside=False) else [],
        cases=settings.pairwise.cases,
    )


def judge_title(judge: JudgeConfig) -> JudgeTitle:
    """The judge as tables and figures name it."""
    return JudgeTitle(name=judge.name, title=judge.title, caveat=judge.caveat)
