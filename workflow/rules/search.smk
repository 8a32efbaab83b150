# Prompt search: which examples of a pool, in which order, bring the base nearest to the aligned model.
SEARCHED = f"results/search/{{dataset}}/{{pair}}/{RUN.settings.search.method}.json"


rule prompt_search:
    input:
        pair="results/pairs/{pair}.json",
        base=INPUTS.manifest("base"),
        aligned=INPUTS.manifest("aligned"),
        data="results/data/{dataset}.parquet",
        responses=INPUTS.responses,
        score=f"results/scores/{{dataset}}/{{pair}}/aligned.{RESPONSE}.safetensors",
        prompt_files=lambda wildcards: RUN.prompt_files(wildcards.method),
        code=code_of("prompt_search"),
    output:
        "results/search/{dataset}/{pair}/{method}.json",
        "results/search/{dataset}/{pair}/{method}_found.yaml",
    threads: workflow.cores  # one long job
    resources:
        **holding(INPUTS.both_models),
    params:
        cfg=lambda wildcards: RUN.slice("prompt_search", wildcards.method),
    shell:
        "{STAGE} prompt_search --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} --cards {resources.gpu}"
        " pair={input.pair} base={input.base} aligned={input.aligned} data={input.data} responses={input.responses}"
        " aligned_score={input.score} prompt_files={input.prompt_files:q} out={output}"


# A stage of its own, so that another confidence or seed loads no model.
rule prompt_search_stats:
    input:
        searched=SEARCHED,
        code=code_of("prompt_search_stats"),
    output:
        "results/stats/{dataset}/{pair}/{context}/prompt_search.csv",
        "results/stats/{dataset}/{pair}/{context}/prompt_search_trace.csv",
    group:
        "tables"
    params:
        cfg=RUN.slice("intervals"),
    shell:
        "{STAGE} prompt_search_stats --cfg {params.cfg:q} --runtime {RUNTIME:q} searched={input.searched} out={output}"
