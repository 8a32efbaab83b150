# Pairs with different tokenizers: the same text under both models, by spans of bytes. No part of figures/all.
rule byte_pair:
    input:
        base=INPUTS.manifest("base"),
        aligned=INPUTS.manifest("aligned"),
        code=code_of("byte_pair"),
    output:
        "results/pairs/{pair}.bytes.json",
    params:
        cfg=RUN.slice("pair"),
    shell:
        "{STAGE} byte_pair --cfg {params.cfg:q} --runtime {RUNTIME:q} base={input.base} aligned={input.aligned} out={output}"


rule spans:
    input:
        pair="results/pairs/{pair}.bytes.json",
        base=INPUTS.manifest("base"),
        aligned=INPUTS.manifest("aligned"),
        data="results/data/{dataset}.parquet",
        responses=INPUTS.responses,
        prompt_files=RUN.prompt_files(CONTEXT),
        code=code_of("spans"),
    output:
        "results/spans/{dataset}/{pair}/{context}.parquet",
    threads: threads_with(INPUTS.both_models)
    resources:
        **holding(INPUTS.both_models),
    params:
        # A function, because the slice holds a template with braces of its own.
        cfg=lambda wildcards: RUN.slice("score", CONTEXT),
    shell:
        "{STAGE} spans --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} --cards {resources.gpu}"
        " pair={input.pair} base={input.base} aligned={input.aligned} data={input.data} responses={input.responses}"
        " prompt_files={input.prompt_files:q} out={output}"


# A stage of its own, so that another confidence or seed loads no model.
rule span_stats:
    input:
        spans="results/spans/{dataset}/{pair}/{context}.parquet",
        code=code_of("span_stats"),
    output:
        "results/stats/{dataset}/{pair}/{context}/spans.csv",
    group:
        "tables"
    params:
        cfg=RUN.slice("intervals"),
    shell:
        "{STAGE} span_stats --cfg {params.cfg:q} --runtime {RUNTIME:q} spans={input.spans} out={output}"
