# How superficial is alignment? `snakemake --cores 8 figures/all` answers with the figures of the paper.
import atexit
import sys
import time
from pathlib import Path

from snakemake.logging import logger

from superficial.artifacts.errors import UserError
from superficial.config.overrides import split_overrides
from superficial.pipeline.checks import check_run
from superficial.pipeline.farewell import farewell
from superficial.pipeline.run import Run
from superficial.pipeline.stages import code_of
from superficial.pipeline.targets import in_all

STARTED = time.time()
try:
    RUN = Run(Path("config"), split_overrides(config.get("hydra")))
    PAIRS, WITH_STAGES, MODELS = RUN.pairs, RUN.with_stages, RUN.model_names
    check_run(RUN)
except UserError as error:
    sys.exit(f"error: {error}")

DATASET, CONTEXT, RESPONSE = (getattr(RUN.settings, key).name for key in ("dataset", "context", "response"))
ALL = in_all(RUN)


wildcard_constraints:
    model="|".join(MODELS),
    pair="|".join(WITH_STAGES),
    dataset=f"{DATASET}|{RUN.settings.align.instructions.name}",
    method="|".join(RUN.method_names),
    context=CONTEXT,
    judge=r"\w+",


# A file a layer of the package, from the lowest to the highest; `pipeline` starts the jobs of all of them.
include: "workflow/rules/pipeline.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/prompts.smk"
include: "workflow/rules/inference.smk"
include: "workflow/rules/shift.smk"
include: "workflow/rules/judging.smk"
include: "workflow/rules/probes.smk"
include: "workflow/rules/align.smk"
include: "workflow/rules/views.smk"


rule:
    name:
        "figures/all"
    default_target: True
    input:
        ALL,
        MANIFEST,
        INDEX,
    localrule: True


if workflow.is_main_process:
    recall(workflow.rules, Path("results"), Path(".snakemake"))


onsuccess:
    logger.info(farewell(ALL, STARTED, time.time()))


onerror:
    if ERRORS.is_file():
        atexit.register(lambda: print(ERRORS.read_text(encoding="utf-8").strip(), file=sys.stderr))
