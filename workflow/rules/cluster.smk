# What a job that holds a model asks for: threads here; cards, memory and time on a cluster.
from functools import cache
from math import ceil

from snakemake.io import checkpoint_target

from superficial.artifacts.files import digest

SMALL = 2  # GB of weights in half precision
CARD = any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists() or sys.platform == "darwin"


@cache
def gigabytes(model):
    return RUN.model(model).memory_gb or 1


def holding(models, at_once=False):
    """Resources of a job that holds the `models(wildcards)`, one at a time or all `at_once`."""

    def largest(wildcards):
        return (sum if at_once else max)([0, *map(gigabytes, models(wildcards))])

    return {
        # Keys, values and logits beside the weights take a quarter more; a card of its own for every small model.
        "gpu": lambda wildcards: ceil(1.25 * largest(wildcards) / RUN.settings.runtime.gpu_gb),
        "mem_mb": lambda wildcards, attempt: int(attempt * (4000 + 1500 * largest(wildcards))),
        "runtime": lambda wildcards, attempt: int(attempt * (30 + 10 * largest(wildcards))),  # minutes
    }


# For jobs that hold small models or none, so that two run at a time: decoding scales badly over cores.
HALF = workflow.cores if CARD else max(1, workflow.cores // 2)


def threads_with(models):
    """Everything for a job with a large model, of which memory holds one, and where there is a card, which holds one job."""

    def threads(wildcards):
        return workflow.cores if any(gigabytes(model) > SMALL for model in models(wildcards)) else HALF

    return threads


def judging_models(wildcards):
    judge = RUN.judge(wildcards.judge)
    return [judge.model] if judge.kind == "local_probabilities" else []


def answering_models(wildcards):
    # A server holds the models that answer behind it.
    return [] if RUN.settings.engine.kind == "openai_server" else [wildcards.model]


def base_model(wildcards):
    return [WITH_STAGES[wildcards.pair].base.name]


def both_models(wildcards):
    return [*base_model(wildcards), WITH_STAGES[wildcards.pair].aligned.name]


# Shards: jobs that do parts of a stage's work beforehand, into its store; the stage then finds it there.
SHARDS = RUN.settings.runtime.shards


def shared(stage, name, artifact):
    """Input function: the marker that every shard of `artifact` is done. Its name holds what the stage reads."""

    def marker(wildcards):
        key = digest(RUN.slice(stage, name.format(**wildcards)))[:16]
        return f"results/.shards/{artifact}/{key}/all".format(**wildcards)

    return marker


def shards(wildcards):
    found = [f"results/.shards/{wildcards.artifact}/{wildcards.key}/{i + 1}-of-{SHARDS}" for i in range(SHARDS)]
    # So flagged, Snakemake does not compare them with those of the last run: another number of shards reruns nothing.
    return [checkpoint_target(path) for path in (found if SHARDS > 1 else [workflow.main_snakefile])]


wildcard_constraints:
    key="[0-9a-f]{16}",
    shard=r"\d+-of-\d+",


rule shards:
    input:
        shards,
    output:
        temp(touch("results/.shards/{artifact}/{key}/all")),
    wildcard_constraints:
        artifact=".+",
    localrule: True
