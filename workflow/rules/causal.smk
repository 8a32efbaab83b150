# Causal test: one model decodes, and takes the other one's token at some positions. Both are in memory at once.
from superficial.pipeline.slices import judging

SWAPPED = "results/causal/{dataset}/{pair}/{context}.parquet"


rule causal:
    input:
        pair="results/pairs/{pair}.json",
        base=INPUTS.manifest("base"),
        aligned=INPUTS.manifest("aligned"),
        data="results/data/{dataset}.parquet",
        responses=INPUTS.responses,
        prompt_files=RUN.prompt_files(CONTEXT),
        code=code_of("causal"),
    output:
        SWAPPED,
    threads: threads_with(INPUTS.both_models)
    resources:
        **holding(INPUTS.both_models, at_once=True),
    params:
        # A function, because the slice holds a template with braces of its own.
        cfg=lambda wildcards: RUN.slice("causal"),
    shell:
        "{STAGE} causal --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} --cards {resources.gpu}"
        " pair={input.pair} base={input.base} aligned={input.aligned} data={input.data} responses={input.responses}"
        " prompt_files={input.prompt_files:q} out={output}"


# The texts with swapped tokens are judged like any other response.
rule judge_swapped:
    input:
        causal=SWAPPED,
        model=lambda wildcards: judging.judge_model(RUN.judge(wildcards.judge)),
        files=lambda wildcards: judging.judge_files(RUN.judge(wildcards.judge)),
        code=code_of("judge"),
    output:
        "results/judgments/{dataset}/{judge}/{pair}/{context}.swapped.parquet",
    threads: threads_with(INPUTS.judging_models)
    resources:
        **holding(INPUTS.judging_models),
    params:
        cfg=lambda wildcards: RUN.slice("judge", "{judge}/{pair}.swapped".format(**wildcards)),
    shell:
        "{STAGE} judge --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} --cards {resources.gpu}"
        " data={input.causal} responses={input.causal} model={input.model} reads={input.files:q} out={output}"


# A stage of its own, so that another confidence or seed loads no model.
rule causal_stats:
    input:
        causal=SWAPPED,
        # A judge that cannot be asked scores no new text.
        judgments=(
            f"results/judgments/{{dataset}}/{RUN.settings.judge.name}/{{pair}}/{{context}}.swapped.parquet"
            if judging.askable(RUN)
            else []
        ),
        code=code_of("causal_stats"),
    output:
        "results/stats/{dataset}/{pair}/{context}/causal.csv",
    group:
        "tables"
    params:
        cfg=RUN.slice("intervals"),
    shell:
        "{STAGE} causal_stats --cfg {params.cfg:q} --runtime {RUNTIME:q}"
        " causal={input.causal} judgments={input.judgments} out={output}"
