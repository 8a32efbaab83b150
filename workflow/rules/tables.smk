# Tables beyond figures/all. `tables/definitions` costs two more passes of each base model.
DEFINITIONS = f"results/shifts/{DATASET}/{{pair}}/{CONTEXT}.definitions.parquet"


rule rescore:
    input:
        pair="results/pairs/{pair}.json",
        model=manifest("base"),
        data="results/data/{dataset}.parquet",
        responses=responses,
        prompt_files=RUN.prompt_files(CONTEXT),
        code=code_of("rescore"),
    output:
        "results/scores/{dataset}/{pair}/base.{seen}.{change}.safetensors",
    wildcard_constraints:
        seen=f"{RESPONSE}|{CONTEXT}",
        change="two_bos|aligned_context",
    threads: threads_with(base_model)
    resources:
        **holding(base_model),
    params:
        cfg=lambda wildcards: RUN.slice("rescore", wildcards.change),
    shell:
        "{STAGE} rescore --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} pair={input.pair}"
        " model={input.model} data={input.data} responses={input.responses}"
        " prompt_files={input.prompt_files:q} out={output}"


rule definitions:
    input:
        pair="results/pairs/{pair}.json",
        base=manifest("base"),
        aligned=manifest("aligned"),
        responses=responses,
        base_score="results/scores/{dataset}/{pair}/base.{context}.safetensors",
        two_bos="results/scores/{dataset}/{pair}/base.{context}.two_bos.safetensors",
        aligned_context=f"results/scores/{{dataset}}/{{pair}}/base.{RESPONSE}.aligned_context.safetensors",
        aligned_score=f"results/scores/{{dataset}}/{{pair}}/aligned.{RESPONSE}.safetensors",
        code=code_of("definitions"),
    output:
        "results/shifts/{dataset}/{pair}/{context}.definitions.parquet",
    threads: threads_with(both_models)
    resources:
        **holding(both_models),
    shell:
        "{STAGE} definitions --cfg '{{}}' --runtime {RUNTIME:q} --threads {threads} pair={input.pair}"
        " base={input.base} aligned={input.aligned} responses={input.responses} base_score={input.base_score}"
        " two_bos={input.two_bos} aligned_context={input.aligned_context}"
        " aligned_score={input.aligned_score} out={output}"


rule:
    name:
        "tables/definitions"
    input:
        reads=expand(DEFINITIONS, pair=PAIRS),
        code=code_of("tables/definitions"),
    output:
        multiext("results/tables/definitions", ".csv", ".md", ".tex"),
    params:
        cfg=RUN.slice("definitions_table"),
    shell:
        "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} results=results reads={input.reads} out={output}"


rule:
    name:
        "tables/urial_recovery"
    input:
        reads=expand(f"{STATS}/recovery.csv", pair=PAIRS),
        code=code_of("tables/urial_recovery"),
    output:
        multiext("results/tables/urial_recovery", ".csv", ".md", ".tex"),
    params:
        cfg=RUN.slice("contexts_table"),
    shell:
        "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} results=results reads={input.reads} out={output}"


# The paper's claims, one by one.
rule:
    name:
        "tables/findings"
    input:
        reads=expand(
            f"{STATS}/{{table}}.csv", pair=PAIRS, table=["ratios", "kinds", "positions", "handoff", "recovery"]
        ),
        code=code_of("tables/findings"),
    output:
        multiext("results/tables/findings", ".csv", ".md", ".tex"),
    params:
        cfg=RUN.slice("findings_table"),
    shell:
        "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} results=results reads={input.reads} out={output}"
