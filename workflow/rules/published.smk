# What the paper's authors published, and the dataset that it is about: no model is loaded.
from superficial.judging.published.file_names import published_files
from superficial.pipeline.slices.registry import published_judged
from superficial.pipeline.systems import PUBLISHED as BY_OTHERS
from superficial.pipeline.systems import published_outputs

PUBLISHED = f"results/published/{DATASET}"
# With the judgments of this run's judges, where it has any.
JUDGED_PUBLISHED = f"{PUBLISHED}/{'judged' if published_judged(RUN).judges else 'judgments'}.parquet"


# Read once; what an N/A means is decided further down.
rule published:
    input:
        files=list(map(str, published_files(Path(RUN.settings.published_dir or os.devnull)))),
        data=f"results/data/{DATASET}.parquet",
        code=code_of("published"),
    output:
        f"{PUBLISHED}/judgments.parquet",
        f"{PUBLISHED}/responses.parquet",
    params:
        cfg=RUN.slice("published"),
    shell:
        "{STAGE} published --cfg {params.cfg:q} --runtime {RUNTIME:q} data={input.data} out={output}"


# The same responses one system at a time, as `judge` reads them.
rule published_answers:
    input:
        outputs=lambda wildcards: list(map(str, published_outputs(RUN)[wildcards.system])),
        data="results/data/{dataset}.parquet",
        code=code_of("published_answers"),
    output:
        f"results/responses/{{dataset}}/{BY_OTHERS}/{{system}}.parquet",
    wildcard_constraints:
        system="|".join(map(re.escape, published_outputs(RUN))) or "none",
    params:
        cfg=RUN.slice("published_answers"),
    shell:
        "{STAGE} published_answers --cfg {params.cfg:q} --runtime {RUNTIME:q}"
        " data={input.data} outputs={input.outputs:q} out={output:q}"


# Our responses in just-eval's own format: `snakemake exports`, or one file of them.
rule export:
    input:
        data="results/data/{dataset}.parquet",
        responses="results/responses/{dataset}/{model}/{method}.parquet",
        code=code_of("export"),
    output:
        "results/exports/{dataset}/{model}.{method}.json",
    params:
        cfg=lambda wildcards: RUN.slice("export", wildcards.model),
    shell:
        "{STAGE} export --cfg {params.cfg:q} --runtime {RUNTIME:q}"
        " data={input.data} responses={input.responses} out={output}"


rule exports:
    input:
        [f"results/exports/{DATASET}/{model}.{method}.json" for model, method in RUN.systems],
    localrule: True
