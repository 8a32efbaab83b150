"""What the probes read of the configuration: contexts, ladders, the search for examples."""

from typing import Any

from superficial.config import schema
from superficial.config.experiment import Experiment
from superficial.config.schema import Ladder, Rung
from superficial.config.schema.contexts import ContextTitle
from superficial.config.schema.ladder import ALIGNED, BASE


def further_contexts(run: Experiment) -> list[str]:
    """Contexts of the base beside its own one, each once."""
    return [name for name in dict.fromkeys(run.settings.contexts) if name != run.settings.context.name]


def context_titles(run: Experiment) -> list[ContextTitle]:
    """The base's own context and the further ones, as figures name them."""
    found = []
    for method in map(run.method, [run.settings.context.name, *further_contexts(run)]):
        fixed, looked_up = method.prompt.examples, method.prompt.neighbours
        shown = len(fixed.ids) if fixed else looked_up.k if looked_up else 0
        found.append(ContextTitle(name=method.name, title=method.title, examples=shown))
    return found


def ladders(run: Experiment) -> list[Ladder]:
    """Of every pair its models from the base to the aligned one, as figures name them."""
    found = []
    for pair in run.pairs.values():
        models = {BASE: pair.base, **pair.stages, ALIGNED: pair.aligned}
        rungs = [Rung(name=name, title=model.title) for name, model in models.items()]
        found.append(Ladder(pair=pair.name, rungs=rungs))
    return found


def prompt_search(run: Experiment, method: str) -> schema.SearchStage:
    """How far the search goes, and the method whose examples are chosen anew."""
    bounds = {name: getattr(run.settings.search, name) for name in schema.SearchBounds.model_fields}
    return schema.SearchStage(**bounds, method=run.method(method))


def searched(run: Experiment) -> dict[str, Any]:
    """What figure and table say of the search: the title of its method, and how much of a response counts."""
    cfg = run.settings.search
    return {"method": run.method(cfg.method).title, "max_positions": cfg.max_positions}
