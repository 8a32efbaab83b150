"""The command `plan`: what a run would take. `make plan ARGS="--config 'hydra=[pair=NAME,plan.gpu=a100_80gb]'"`.

Snakemake says which jobs; what each takes follows from the configuration. Nothing is downloaded and no model is loaded.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from superficial.config.overrides import overrides_of
from superficial.config.schema import ServerEngine
from superficial.pipeline.dryrun import PlannedJob, planned_jobs
from superficial.pipeline.plan.disk import SCORES, states_at_once
from superficial.pipeline.plan.judges import JudgeWork
from superficial.pipeline.plan.machine import Machine, machine
from superficial.pipeline.plan.models import ModelWork
from superficial.pipeline.plan.sizes import Sizes
from superficial.pipeline.plan.text import assumptions, fits, states, table
from superficial.pipeline.plan.work import PlannedWork
from superficial.pipeline.run import Run

RESULTS = Path("results")
AHEAD = re.compile("_(shard|together)$")  # rules of jobs that do work of a stage beforehand
OTHERS = "figures and the like"
TOKENIZER_ONLY = (
    "pair",
    "byte_pair",
    "response_stats",
    "figures/shift_browser",
)  # a model is their input, and they do not run it
LIGHT = PlannedWork(seconds=3)  # a job that loads no model


def main(words: Sequence[str]) -> None:
    """Print the work stage by stage, what does not fit into memory, and what is assumed; `words` are snakemake's."""
    jobs = planned_jobs(words)
    run = Run(Path("config"), overrides_of(words))
    device = machine(run.settings.plan, run.settings.runtime.device)
    planner = Planner(run, device, RESULTS)
    stages = planner.stages(jobs)
    asks = any(work.requests for work in stages.values())
    keep = run.settings.runtime.keep_states
    lines = [
        *table(stages),
        "",
        *states(stages, planner.states(jobs), keep=keep),
        *fits(planner.sizes, planner.models, device),
    ]
    print("\n".join([*lines, *assumptions(planner.sizes, device, requests=asks)]))


class Planner:
    """The work of jobs, by the rule that they are of."""

    def __init__(self, run: Run, device: Machine, results: Path) -> None:
        self._run = run
        self.sizes = Sizes(run, results)
        self.models = ModelWork(self.sizes, device)
        self._judges = JudgeWork(self.sizes, self.models)
        self._rules: dict[str, Callable[[dict[str, str]], PlannedWork]] = {
            "model": lambda about: self.models.fetch(about["model"]),
            "generate": lambda about: self._generate(about["model"], about["method"]),
            "score": lambda about: self.models.score(about["pair"], about["side"], about["seen"]),
            "rescore": lambda about: self.models.score(about["pair"], "base", about["seen"]),
            "compare": lambda about: self.models.compare(about["pair"]),
            "definitions": lambda about: self.models.compare(about["pair"], contexts=3),
            "handoff": lambda about: self.models.handoff(about["pair"]),
            "prefill": lambda about: self.models.prefill(about["pair"], about["side"], about["seen"]),
            "causal": lambda about: self.models.causal(about["pair"]),
            "spans": lambda about: self.models.spans(about["pair"]),
            "prompt_search": lambda about: self.models.prompt_search(about["pair"]),
            "judge": lambda about: self._judges.judge(about["judge"], about["model"], about["method"]),
            "judge_swapped": lambda about: self._judges.swapped(about["judge"]),
            "canaries": lambda about: self._judges.canaries(about["judge"], about["model"], about["method"]),
            "pairwise": lambda about: self._judges.pairwise(about["judge"], about["comparison"]),
        }

    def stages(self, jobs: Sequence[PlannedJob]) -> dict[str, PlannedWork]:
        """Work by stage; those that neither run nor ask a model are one."""
        found = dict.fromkeys([*self._rules, OTHERS], PlannedWork())
        for job in jobs:
            stage = AHEAD.sub("", job.rule)
            name = stage if stage in self._rules else OTHERS
            if (
                name == OTHERS
                and job.rule not in TOKENIZER_ONLY
                and any("results/models/" in one for one in job.inputs)
            ):
                name = f"{job.rule} (not planned)"
            found[name] = found.get(name, PlannedWork()) + self.work(job)
        return {name: work for name, work in found.items() if work.jobs}

    def states(self, jobs: Sequence[PlannedJob]) -> float:
        """Bytes of hidden states that are on the disk at most at a time."""
        runtime = self._run.settings.runtime
        scores = [(job, self.work(job).disk) for job in jobs if job.rule in SCORES]
        return states_at_once(scores, keep=runtime.keep_states, shards=runtime.shards)

    def work(self, job: PlannedJob) -> PlannedWork:
        """What one job takes."""
        if AHEAD.search(job.rule):
            return PlannedWork(jobs=1)  # what it does is done for the stage, whose work is counted whole
        rule = self._rules.get(job.rule)
        return PlannedWork(jobs=1) + (rule(job.wildcards) if rule else LIGHT)

    def _generate(self, model: str, method: str) -> PlannedWork:
        engine = self._run.settings.engine
        if isinstance(engine, ServerEngine):
            return self._judges.served(model, method, engine.serving(model))
        return self.models.generate(model, method)
