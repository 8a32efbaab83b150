"""Which models stand on the ladders of a run."""

from superficial.config.experiment import Experiment
from superficial.config.schema import Ladder, Rung
from superficial.probes.ladder.rung import ALIGNED, BASE


def ladders(run: Experiment) -> list[Ladder]:
    """Of every pair its models from the base to the aligned one, as figures name them."""
    found = []
    for pair in run.pairs.values():
        models = {BASE: pair.base, **pair.stages, ALIGNED: pair.aligned}
        rungs = [Rung(name=name, title=model.title) for name, model in models.items()]
        found.append(Ladder(pair=pair.name, rungs=rungs))
    return found
