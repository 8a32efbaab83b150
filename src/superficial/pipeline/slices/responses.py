"""What the stages on answers read of the configuration."""

from superficial.config.experiment import Experiment
from superficial.config.schema.responses import (
    AnsweringSystem,
    FailuresFigure,
    MethodsExample,
    ResponseStatsStage,
    ResponsesView,
    ShownSystem,
)

ZERO_SHOT = "zero_shot"  # the method that others are compared with
URIAL = "urial"  # the names of the paper's methods begin so


def response_stats(run: Experiment, _: str) -> ResponseStatsStage:
    """Intervals, and which zero-shot answers each system is compared with: those of its own pair's base model."""
    found: dict[str, AnsweringSystem] = {}
    for pair in run.pairs.values():
        baseline = (pair.base.name, ZERO_SHOT)
        for system in systems_of(run, pair.name):
            compared = baseline in run.systems and system != baseline
            name = ".".join(system)
            found.setdefault(name, AnsweringSystem(name=name, baseline=".".join(baseline) if compared else ""))
    ordered = [found[".".join(system)] for system in run.systems]
    return ResponseStatsStage(**run.settings.stats.intervals, systems=ordered)


def responses_view(run: Experiment, _: str = "") -> ResponsesView:
    """Every system of the run by its titles."""
    return _view(run, run.systems)


def failures_figure(run: Experiment, _: str) -> FailuresFigure:
    """The look, and every system."""
    return FailuresFigure(**dict(run.settings.figure), **dict(responses_view(run)))


def methods_example(run: Experiment, _: str) -> MethodsExample:
    """The look, the systems of the first pair, and the two that decide which instruction is shown."""
    systems = example_systems(run)
    base = systems[0][0]
    names = [method for model, method in systems if model == base]
    urial = sorted((name for name in names if name.startswith(URIAL)), key=lambda name: name != f"{URIAL}_k3")
    return MethodsExample(
        **dict(run.settings.figure),
        **dict(_view(run, systems)),
        zero_shot=f"{base}.{ZERO_SHOT}" if ZERO_SHOT in names else None,
        urial=f"{base}.{urial[0]}" if urial else None,
    )


def example_systems(run: Experiment) -> list[tuple[str, str]]:
    """Systems (model, method) of the first pair."""
    return systems_of(run, next(iter(run.pairs)))


def methods_of(run: Experiment, model: str) -> list[str]:
    """The methods by which one model answers, in the order in which a slice has them."""
    return sorted(method for name, method in run.systems if name == model)


def systems_of(run: Experiment, pair: str) -> list[tuple[str, str]]:
    """Systems (model, method) of one pair, in the order of the run."""
    models = {run.pairs[pair].base.name, run.pairs[pair].aligned.name}
    return [system for system in run.systems if system[0] in models]


def cut_models(run: Experiment) -> list[str]:
    """Models whose answers a stop rule may have cut: their tokenizers say what came after the cut."""
    return list(
        dict.fromkeys(model for model, method in run.systems if run.method(method).decoding.stop != "end_of_turn")
    )


def _view(run: Experiment, systems: list[tuple[str, str]]) -> ResponsesView:
    shown = [
        ShownSystem(
            name=f"{model}.{method}",
            model=run.model(model).title,
            method=run.method(method).title,
            repetition_penalty=run.method(method).decoding.repetition_penalty,
        )
        for model, method in systems
    ]
    settings = run.settings
    return ResponsesView(
        dataset=settings.dataset.name,
        dataset_title=run.dataset_title,
        confidence=settings.stats.confidence,
        max_new_tokens=settings.generate.max_new_tokens,
        systems=shown,
    )
