# What `tables/definitions` is made from: two more passes of each base model.


rule rescore:
    input:
        pair="results/pairs/{pair}.json",
        model=INPUTS.manifest("base"),
        data="results/data/{dataset}.parquet",
        responses=INPUTS.responses,
        prompt_files=RUN.prompt_files(CONTEXT),
        code=code_of("rescore"),
    output:
        scored("results/scores/{dataset}/{pair}/base.{seen}.{change}.safetensors"),
    wildcard_constraints:
        seen=f"{RESPONSE}|{CONTEXT}",
        change="two_bos|aligned_context",
    threads: threads_with(INPUTS.base_model)
    resources:
        **holding(INPUTS.base_model),
    params:
        cfg=lambda wildcards: RUN.slice("rescore", wildcards.change),
    shell:
        "{STAGE} rescore --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} --cards {resources.gpu}"
        " pair={input.pair} model={input.model} data={input.data} responses={input.responses}"
        " prompt_files={input.prompt_files:q} out={output}"


rule definitions:
    input:
        pair="results/pairs/{pair}.json",
        base=INPUTS.manifest("base"),
        aligned=INPUTS.manifest("aligned"),
        responses=INPUTS.responses,
        base_score="results/scores/{dataset}/{pair}/base.{context}.safetensors",
        two_bos="results/scores/{dataset}/{pair}/base.{context}.two_bos.safetensors",
        aligned_context=f"results/scores/{{dataset}}/{{pair}}/base.{RESPONSE}.aligned_context.safetensors",
        aligned_score=f"results/scores/{{dataset}}/{{pair}}/aligned.{RESPONSE}.safetensors",
        code=code_of("definitions"),
    output:
        "results/shifts/{dataset}/{pair}/{context}.definitions.parquet",
    threads: threads_with(INPUTS.both_models)
    resources:
        **holding(INPUTS.both_models),
    shell:
        "{STAGE} definitions --cfg '{{}}' --runtime {RUNTIME:q} --threads {threads} --cards {resources.gpu}"
        " pair={input.pair}"
        " base={input.base} aligned={input.aligned} responses={input.responses} base_score={input.base_score}"
        " two_bos={input.two_bos} aligned_context={input.aligned_context}"
        " aligned_score={input.aligned_score} out={output}"
