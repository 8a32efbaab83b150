# Causal test: one model decodes, and takes the other one's token at some positions. Both are in memory at once.
rule causal:
    input:
        pair="results/pairs/{pair}.json",
        base=manifest("base"),
        aligned=manifest("aligned"),
        data="results/data/{dataset}.parquet",
        responses=responses,
        prompt_files=RUN.prompt_files(CONTEXT),
        code=code_of("causal"),
    output:
        "results/causal/{dataset}/{pair}/{context}.parquet",
    threads: threads_with(both_models)
    resources:
        **holding(both_models, at_once=True),
    params:
        # A function, because the slice holds a template with braces of its own.
        cfg=lambda wildcards: RUN.slice("causal"),
    shell:
        "{STAGE} causal --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} pair={input.pair}"
        " base={input.base} aligned={input.aligned} data={input.data} responses={input.responses}"
        " prompt_files={input.prompt_files:q} out={output}"


# A stage of its own, so that another confidence or seed loads no model.
rule causal_stats:
    input:
        causal="results/causal/{dataset}/{pair}/{context}.parquet",
        code=code_of("causal_stats"),
    output:
        "results/stats/{dataset}/{pair}/{context}/causal.csv",
    params:
        cfg=RUN.slice("intervals"),
    shell:
        "{STAGE} causal_stats --cfg {params.cfg:q} --runtime {RUNTIME:q} causal={input.causal} out={output}"
