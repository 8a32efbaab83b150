# Models go on from tokens that they did not write themselves.
REFUSALS = "resources/safety/refusals.txt"
PREFILL = "results/prefill/{dataset}/{pair}"


# Prefix handoff: the base model goes on from the aligned model's first response tokens (finding 4 of the paper).
rule handoff:
    input:
        pair="results/pairs/{pair}.json",
        model=INPUTS.manifest("base"),
        data="results/data/{dataset}.parquet",
        responses=INPUTS.responses,
        shifts="results/shifts/{dataset}/{pair}/{context}.parquet",
        prompt_files=RUN.prompt_files(CONTEXT),
        code=code_of("handoff"),
    output:
        "results/handoff/{dataset}/{pair}/{context}.parquet",
    threads: threads_with(INPUTS.base_model)
    resources:
        **holding(INPUTS.base_model),
    params:
        # A function, because the slice holds a template with braces of its own.
        cfg=lambda wildcards: RUN.slice("handoff"),
    shell:
        "{STAGE} handoff --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} --cards {resources.gpu}"
        " pair={input.pair} model={input.model} data={input.data} responses={input.responses} shifts={input.shifts}"
        " prompt_files={input.prompt_files:q} out={output}"


# A stage of its own, so that another confidence or seed loads no model.
rule handoff_stats:
    input:
        handoff="results/handoff/{dataset}/{pair}/{context}.parquet",
        code=code_of("handoff_stats"),
    output:
        "results/stats/{dataset}/{pair}/{context}/handoff.csv",
    group:
        "tables"
    params:
        cfg=RUN.slice("intervals"),
    shell:
        "{STAGE} handoff_stats --cfg {params.cfg:q} --runtime {RUNTIME:q} handoff={input.handoff} out={output}"


# Prefill: how both models go on when the first tokens of a response to a harmful instruction are given.
rule prefill:
    input:
        model=lambda wildcards: INPUTS.manifest(wildcards.side)(wildcards),
        data="results/data/{dataset}.parquet",
        responses=INPUTS.responses,
        prompt_files=lambda wildcards: RUN.prompt_files(wildcards.seen),
        code=code_of("prefill"),
    output:
        f"{PREFILL}/{{side}}.{{seen}}.parquet",
    wildcard_constraints:
        side="base|aligned",
        seen="|".join(RUN.method_names),
    threads: threads_with(INPUTS.answering_side)
    resources:
        **holding(INPUTS.answering_side),
    params:
        cfg=lambda wildcards: RUN.slice("prefill", wildcards.seen),
    shell:
        "{STAGE} prefill --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} --cards {resources.gpu}"
        " model={input.model}"
        " data={input.data} responses={input.responses} prompt_files={input.prompt_files:q} out={output}"


# A stage of its own, so that another phrase, confidence or seed loads no model.
rule prefill_stats:
    input:
        base=f"{PREFILL}/base.{{context}}.parquet",
        aligned=f"{PREFILL}/aligned.{RESPONSE}.parquet",
        phrases=REFUSALS,
        code=code_of("prefill_stats"),
    output:
        "results/stats/{dataset}/{pair}/{context}/prefill.csv",
    group:
        "tables"
    params:
        cfg=RUN.slice("intervals"),
    shell:
        "{STAGE} prefill_stats --cfg {params.cfg:q} --runtime {RUNTIME:q} base={input.base} aligned={input.aligned}"
        " phrases={input.phrases} out={output}"


rule refusals_agreement:
    input:
        labelled="resources/safety/labelled.csv",
        phrases=REFUSALS,
        code=code_of("refusals_agreement"),
    output:
        "results/stats/refusals_agreement.csv",
    shell:
        "{STAGE} refusals_agreement --cfg '{{}}' --runtime {RUNTIME:q} labelled={input.labelled}"
        " phrases={input.phrases} out={output}"
