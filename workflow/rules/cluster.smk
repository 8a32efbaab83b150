# What a job that holds a model asks for, and the shards that share the work of a stage.
from snakemake.io import checkpoint_target

from superficial.pipeline.job_inputs import JobInputs
from superficial.pipeline.job_resources import JobResources, has_card

INPUTS, NEEDS = JobInputs(RUN), JobResources(RUN, workflow.cores, card=has_card())
holding, threads_with, HALF = NEEDS.holding, NEEDS.threads_with, NEEDS.half


wildcard_constraints:
    key="[0-9a-f]{16}",
    shard=r"\d+-of-\d+",


# Shards: jobs that do parts of a stage's work beforehand, into its store; the stage then finds it there.
rule shards:
    input:
        # So flagged, Snakemake does not compare them with those of the last run: another number of shards reruns nothing.
        lambda wildcards: list(map(checkpoint_target, INPUTS.shards(wildcards) or [workflow.main_snakefile])),
    output:
        temp(touch("results/.shards/{artifact}/{key}/all")),
    wildcard_constraints:
        artifact=".+",
    localrule: True
