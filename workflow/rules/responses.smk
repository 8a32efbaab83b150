# Instructions, and what the aligned model answers.
rule data:
    input:
        source=RUN.settings.dataset.path,
        code=code_of("data"),
    output:
        "results/data/{dataset}.parquet",
    params:
        cfg=RUN.slice("data"),
    shell:
        "{STAGE} data --cfg {params.cfg:q} --runtime {RUNTIME:q} source={input.source} out={output}"


rule generate:
    input:
        model="results/models/{model}/manifest.json",
        data="results/data/{dataset}.parquet",
        code=code_of("generate"),
    output:
        "results/responses/{dataset}/{model}/{method}.parquet",
    threads: workflow.cores
    params:
        cfg=lambda wildcards: RUN.slice("generate", wildcards.method),
    shell:
        "{STAGE} generate --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads}"
        " model={input.model} data={input.data} out={output}"
