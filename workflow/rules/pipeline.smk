# How a job is started, what it asks for, where it leaves its errors; shards; and what the results depend on.
import os

from snakemake.io import checkpoint_target

from superficial.pipeline.cards import cards_here, memory_gb
from superficial.pipeline.job_command import stage, stage_arguments
from superficial.pipeline.job_errors import errors_file
from superficial.pipeline.job_inputs import JobInputs
from superficial.pipeline.job_resources import JobResources
from superficial.pipeline.provenance.records import recall
from superficial.pipeline.snakemake_lock import release_stale_lock
from superficial.pipeline.targets import beyond_all

ALIVE = release_stale_lock(Path(".snakemake"))  # open until this process ends

# Speed and memory only. It reaches the stages as a global, which Snakemake does not track: changing it reruns nothing.
RUNTIME = RUN.runtime
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin take turns with any other busy process
# Jobs leave their one-line errors here, so that they can be repeated below Snakemake's own report.
ERRORS = errors_file(Path(".snakemake"))

CARDS = cards_here()
CARD_GB = memory_gb() if workflow.nodes is None else None  # a cluster's cards are not those of this machine
INPUTS, RESOURCES = JobInputs(RUN), JobResources(RUN, workflow.cores, cards=CARDS, card_gb=CARD_GB)
holding, threads_with, HALF = RESOURCES.holding, RESOURCES.threads_with, RESOURCES.half
# On this machine jobs run beside each other while there are cards for them, each on its own (--cards).
if CARDS and workflow.nodes is None and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", CARDS)
# Hidden states are most of the disk: without runtime.keep_states they go once the last job of a run has read them.
scored = str if RUN.settings.runtime.keep_states else temp
# A newcomer sees the paper's token distribution shift first: what leads to these figures does not wait for other jobs.
EARLY, EARLY_FIGURES = 1, ("Figure 2", "Figure 3", "Figure 4")
# The files of a pair that jobs with both models read.
PAIR = {"pair": "results/pairs/{pair}.json", "base": INPUTS.manifest("base"), "aligned": INPUTS.manifest("aligned")}

# The instructions, and what the pair's aligned model answered.
ANSWERED = {"data": "results/data/{dataset}.parquet", "responses": INPUTS.responses}

MANIFEST = "results/manifest.json"
# What was made by itself is named in the manifest, too. It is no input: with other models it may be a day's work.
ASIDE = beyond_all()


wildcard_constraints:
    key="[0-9a-f]{16}",
    shard=r"\d+-of-\d+",
    side="base|aligned",
    seen="|".join(RUN.method_names),


# Shards, and answers by one server: jobs that do work of a stage beforehand, into its store; the stage finds it there.
rule shards:
    input:
        # With this flag Snakemake does not compare them with those of the last run: another number reruns nothing.
        lambda wildcards: list(map(checkpoint_target, INPUTS.shards(wildcards) or [workflow.main_snakefile])),
    output:
        temp(touch("results/.shards/{artifact}/{key}/all")),
    wildcard_constraints:
        artifact=".+",
    localrule: True


# Whether the results still are what they were: `python -m superficial verify`.
rule manifest:
    input:
        made=ALL,
        code=code_of("manifest"),
    output:
        MANIFEST,
    log:
        "results/logs/manifest.log",
    localrule: True
    params:
        cfg="{}",
        aside=[path for path in ASIDE if Path(path).is_file()],
    shell:
        stage() + " made={input.made} {params.aside} out={output}"
