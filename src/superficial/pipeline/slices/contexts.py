"""Which contexts a run is about."""

from superficial.config.experiment import Experiment
from superficial.config.schema.contexts import ContextTitle


def further(run: Experiment) -> list[str]:
    """Contexts of the base beside its own one, each once."""
    return [name for name in dict.fromkeys(run.settings.contexts) if name != run.settings.context.name]


def titles(run: Experiment) -> list[ContextTitle]:
    """The base's own context and the further ones, as figures name them."""
    found = []
    for method in map(run.method, [run.settings.context.name, *further(run)]):
        fixed, looked_up = method.prompt.examples, method.prompt.neighbours
        shown = len(fixed.ids) if fixed else looked_up.k if looked_up else 0
        found.append(ContextTitle(name=method.name, title=method.title, examples=shown))
    return found
