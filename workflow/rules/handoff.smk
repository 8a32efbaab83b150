# Prefix handoff: the base model goes on from the aligned model's first response tokens (finding 4 of the paper).
rule handoff:
    input:
        pair="results/pairs/{pair}.json",
        model=manifest("base"),
        data="results/data/{dataset}.parquet",
        responses=responses,
        shifts="results/shifts/{dataset}/{pair}/{context}.parquet",
        prompt_files=RUN.prompt_files(CONTEXT),
        code=code_of("handoff"),
    output:
        "results/handoff/{dataset}/{pair}/{context}.parquet",
    threads: threads_with(base_model)
    resources:
        **holding(base_model),
    params:
        # A function, because the slice holds a template with braces of its own.
        cfg=lambda wildcards: RUN.slice("handoff"),
    shell:
        "{STAGE} handoff --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} pair={input.pair}"
        " model={input.model} data={input.data} responses={input.responses} shifts={input.shifts}"
        " prompt_files={input.prompt_files:q} out={output}"


# A stage of its own, so that another confidence or seed loads no model.
rule handoff_stats:
    input:
        handoff="results/handoff/{dataset}/{pair}/{context}.parquet",
        code=code_of("handoff_stats"),
    output:
        "results/stats/{dataset}/{pair}/{context}/handoff.csv",
    params:
        cfg=RUN.slice("intervals"),
    shell:
        "{STAGE} handoff_stats --cfg {params.cfg:q} --runtime {RUNTIME:q} handoff={input.handoff} out={output}"
