# What models answer.
rule generate:
    input:
        model="results/models/{model}/manifest.json",
        data="results/data/{dataset}.parquet",
        prompt_files=lambda wildcards: RUN.prompt_files(wildcards.method),
        engine=RUN.engine_files,
        shards=INPUTS.shared("generate", "{method}", "responses/{dataset}/{model}/{method}"),
        code=code_of("generate"),
    output:
        "results/responses/{dataset}/{model}/{method}.parquet",
    log:
        "results/logs/responses/{dataset}/{model}/{method}.log",
    priority: lambda wildcards: EARLY if wildcards.method == RESPONSE else 0
    threads: threads_with(INPUTS.answering_models)
    resources:
        **holding(INPUTS.answering_models),
    params:
        cfg=lambda wildcards: RUN.slice("generate", wildcards.method),
    shell:
        stage(cards=True) + " model={input.model} data={input.data} prompt_files={input.prompt_files:q} out={output}"


# Where a job starts its own server: one start answers all methods of a model, and `generate` finds the answers.
rule generate_together:
    input:
        model=ancient("results/models/{model}/manifest.json"),
        data=ancient("results/data/{dataset}.parquet"),
        prompt_files=INPUTS.prompt_files_together,
    output:
        temp(touch("results/.shards/responses/{dataset}/{model}/{key}/together")),
    log:
        "results/logs/shards/responses/{dataset}/{model}/{key}/together.log",
    threads: threads_with(INPUTS.answering_models)
    resources:
        **holding(INPUTS.answering_models),
    params:
        cfg=lambda wildcards: RUN.slice("generate_together", wildcards.model),
    shell:
        stage(cards=True) + " model={input.model} data={input.data} prompt_files={input.prompt_files:q}"
        " results=results"


rule generate_shard:
    input:
        model=ancient("results/models/{model}/manifest.json"),
        data=ancient("results/data/{dataset}.parquet"),
        prompt_files=lambda wildcards: RUN.prompt_files(wildcards.method),
    output:
        temp(touch("results/.shards/responses/{dataset}/{model}/{method}/{key}/{shard}")),
    log:
        "results/logs/shards/responses/{dataset}/{model}/{method}/{key}/{shard}.log",
    threads: threads_with(INPUTS.answering_models)
    resources:
        **holding(INPUTS.answering_models),
    params:
        cfg=lambda wildcards: RUN.slice("generate", wildcards.method),
    shell:
        stage("generate", cards=True) + " --shard {wildcards.shard} model={input.model} data={input.data}"
        " prompt_files={input.prompt_files:q}"
        " out=results/responses/{wildcards.dataset}/{wildcards.model}/{wildcards.method}.parquet"
