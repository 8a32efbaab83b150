# How superficial is alignment? `snakemake --cores 8 figures/all` answers with the figures of the paper.
import atexit
import os
import sys
import tempfile
from pathlib import Path

from superficial.config import Experiment, split_overrides
from superficial.errors import UserError
from superficial.stages import code_of

try:
    RUN = Experiment(Path("config"), split_overrides(config.get("hydra")))
    PAIRS, MODELS = RUN.pairs, RUN.model_names
    RUN.check_files()
except UserError as error:
    sys.exit(f"error: {error}")

DATASET = RUN.settings.dataset.name
CONTEXT, RESPONSE = RUN.settings.context.name, RUN.settings.response.name
# Speed and memory only. It reaches the stages as a global, which Snakemake does not track: changing it reruns nothing.
RUNTIME = RUN.runtime
STAGE = f"{sys.executable} -m superficial"
# Jobs leave their one-line errors here, so that they can be repeated below Snakemake's own report.
ERRORS = Path(os.environ.setdefault("SUPERFICIAL_ERRORS", os.path.join(tempfile.mkdtemp(), "errors.txt")))


wildcard_constraints:
    model="|".join(MODELS),
    pair="|".join(PAIRS),
    dataset=DATASET,
    method="|".join(RUN.method_names),
    context=CONTEXT,
    judge=r"\w+",


include: "workflow/rules/cluster.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/retrieval.smk"
include: "workflow/rules/prompts.smk"
include: "workflow/rules/responses.smk"
include: "workflow/rules/shifts.smk"
include: "workflow/rules/handoff.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/browser.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/published.smk"
include: "workflow/rules/judgments.smk"
include: "workflow/rules/judging.smk"
include: "workflow/rules/methods.smk"


# What `figures/all` makes, by what the run is about.
ALL = {
    "models": [
        *expand("results/figures/{figure}.pdf", figure=FIGURES),
        "results/figures/dataset_stats.pdf",
        BROWSER,
        *(JUDGING + METHODS),
    ],
    "published": ["results/tables/published_scores.csv", "results/figures/dataset_stats.pdf", *SCORES],
}


rule:
    name:
        "figures/all"
    default_target: True
    input:
        ALL[RUN.settings.subject],
    localrule: True


onsuccess:
    print(f"Done. Figures: {Path('results/figures').resolve()}", file=sys.stderr)


onerror:
    if ERRORS.is_file():
        atexit.register(lambda: print(ERRORS.read_text(encoding="utf-8").strip(), file=sys.stderr))
