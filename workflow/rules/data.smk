# Instructions, checked and in one format.
rule data:
    input:
        source=lambda wildcards: RUN.instructions_of(RUN.dataset(wildcards.dataset)) or [],  # none: the hub
        code=code_of("data"),
    output:
        "results/data/{dataset}.parquet",
    log:
        "results/logs/data/{dataset}.log",
    params:
        cfg=lambda wildcards: RUN.slice("data", wildcards.dataset),
    shell:
        stage() + " source={input.source:q} out={output}"
