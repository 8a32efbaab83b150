"""Whose responses are judged: the systems of a run, or those whose outputs were published."""

from pathlib import Path

from superficial.config.experiment import Experiment
from superficial.config.schema.judge import ImportedJudge, VotesJudge
from superficial.judging.published.file_names import output_files

PUBLISHED = "published"  # stands where a model's name does: (PUBLISHED, NAME) is a published system


def judged_systems(run: Experiment) -> list[tuple[str, str]]:
    """(model, method) of everything that a judge of this run is given."""
    return [(PUBLISHED, name) for name in published_outputs(run)] if about_published(run) else run.systems


def about_published(run: Experiment) -> bool:
    """Whether the run is about published responses, not those of its models."""
    return run.settings.subject == "published"


def published_outputs(run: Experiment) -> dict[str, list[Path]]:
    """Files in published_dir that hold responses, by system."""
    folder = run.settings.published_dir
    return output_files(Path(folder)) if folder is not None else {}


def system_name(model: str, method: str) -> str:
    """MODEL.METHOD, or a published system under the name that its files give it.

    >>> system_name("llama", "urial_k3"), system_name(PUBLISHED, "Mistral-7B-Instruct-v0.1")
    ('llama.urial_k3', 'Mistral-7B-Instruct-v0.1')
    """
    return method if model == PUBLISHED else f"{model}.{method}"


def scoring(run: Experiment, *, beside: bool) -> list[str]:
    """Names of the judges that give scores: the run's own, or those beside it; what was published is read anyway."""
    names = run.settings.trust.beside if beside else [run.settings.judge.name]
    found = {name: run.judge(name) for name in names}
    read = run.settings.published_dir if about_published(run) else None
    return [
        name
        for name, judge in found.items()
        if not isinstance(judge, VotesJudge)
        and not (read is not None and isinstance(judge, ImportedJudge) and judge.source == read)
    ]


def all_scoring(run: Experiment) -> list[str]:
    """Names of all judges that give scores, the run's own first."""
    return [*scoring(run, beside=False), *scoring(run, beside=True)]
