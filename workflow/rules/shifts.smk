# Token distribution shift: both models score the same response tokens, each under its own context.
from superficial.pipeline.slices.contexts import further
from superficial.pipeline.stages import source_files
from superficial.shift.kinds.word_lists import FILES as WORD_LISTS

CONTEXTS = further(RUN)


rule pair:
    input:
        base=INPUTS.manifest("base"),
        aligned=INPUTS.manifest("aligned"),
        code=code_of("pair"),
    output:
        "results/pairs/{pair}.json",
    params:
        cfg=RUN.slice("pair"),
    shell:
        "{STAGE} pair --cfg {params.cfg:q} --runtime {RUNTIME:q} base={input.base} aligned={input.aligned} out={output}"


rule score:
    input:
        pair="results/pairs/{pair}.json",
        model=lambda wildcards: INPUTS.manifest(wildcards.side)(wildcards),
        data="results/data/{dataset}.parquet",
        responses=INPUTS.responses,
        prompt_files=lambda wildcards: RUN.prompt_files(wildcards.seen),
        shards=INPUTS.shared("score", "{seen}", "scores/{dataset}/{pair}/{side}.{seen}"),
        code=code_of("score"),
    output:
        "results/scores/{dataset}/{pair}/{side}.{seen}.safetensors",
    wildcard_constraints:
        side="base|aligned",
        seen="|".join(RUN.method_names),
    threads: threads_with(INPUTS.both_models)
    resources:
        **holding(INPUTS.both_models),
    params:
        cfg=lambda wildcards: RUN.slice("score", wildcards.seen),
    shell:
        "{STAGE} score --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} pair={input.pair}"
        " model={input.model} data={input.data} responses={input.responses}"
        " prompt_files={input.prompt_files:q} out={output}"


rule score_shard:
    input:
        pair=ancient("results/pairs/{pair}.json"),
        model=lambda wildcards: ancient(INPUTS.manifest(wildcards.side)(wildcards)),
        data=ancient("results/data/{dataset}.parquet"),
        responses=lambda wildcards: ancient(INPUTS.responses(wildcards)),
        prompt_files=lambda wildcards: RUN.prompt_files(wildcards.seen),
    output:
        temp(touch("results/.shards/scores/{dataset}/{pair}/{side}.{seen}/{key}/{shard}")),
    wildcard_constraints:
        side="base|aligned",
        seen="|".join(RUN.method_names),
    threads: threads_with(INPUTS.both_models)
    resources:
        **holding(INPUTS.both_models),
    params:
        cfg=lambda wildcards: RUN.slice("score", wildcards.seen),
    shell:
        "{STAGE} score --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} --shard {wildcards.shard}"
        " pair={input.pair} model={input.model} data={input.data} responses={input.responses}"
        " prompt_files={input.prompt_files:q}"
        " out=results/scores/{wildcards.dataset}/{wildcards.pair}/{wildcards.side}.{wildcards.seen}.safetensors"


rule compare:
    input:
        pair="results/pairs/{pair}.json",
        base=INPUTS.manifest("base"),
        aligned=INPUTS.manifest("aligned"),
        responses=INPUTS.responses,
        base_score="results/scores/{dataset}/{pair}/base.{context}.safetensors",
        aligned_score=INPUTS.aligned_score,
        code=code_of("compare"),
    output:
        "results/shifts/{dataset}/{pair}/{context}.parquet",
    wildcard_constraints:
        context="|".join([CONTEXT, RESPONSE, *CONTEXTS]),
    threads: threads_with(INPUTS.both_models)
    resources:
        **holding(INPUTS.both_models),
    params:
        cfg=RUN.slice("compare"),
    shell:
        "{STAGE} compare --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} pair={input.pair}"
        " base={input.base} aligned={input.aligned} responses={input.responses}"
        " base_score={input.base_score} aligned_score={input.aligned_score} out={output}"


rule kinds:
    input:
        shifts="results/shifts/{dataset}/{pair}/{context}.parquet",
        responses=INPUTS.responses,
        code=code_of("kinds"),
        words=WORD_LISTS,
    output:
        "results/kinds/{dataset}/{pair}/{context}.parquet",
    group:
        "tables"
    shell:
        "{STAGE} kinds --cfg '{{}}' --runtime {RUNTIME:q} shifts={input.shifts} responses={input.responses}"
        " reads={input.words:q} out={output}"


rule stats:
    input:
        shifts="results/shifts/{dataset}/{pair}/{context}.parquet",
        kinds="results/kinds/{dataset}/{pair}/{context}.parquet",
        responses=INPUTS.responses,
        data="results/data/{dataset}.parquet",
        code=code_of("stats"),
    output:
        expand(
            "results/stats/{{dataset}}/{{pair}}/{{context}}/{table}.csv",
            table=["ratios", "positions", "tokens", "kinds", "groups", "clusters", "summary"],
        ),
    group:
        "tables"
    threads: workflow.cores
    params:
        cfg=RUN.slice("stats"),
    shell:
        "{STAGE} stats --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} shifts={input.shifts}"
        " token_kinds={input.kinds} responses={input.responses} data={input.data} out={output}"


# A further number of every response token: a module of src/superficial/shift/columns/ for each.
rule token_column:
    input:
        shifts="results/shifts/{dataset}/{pair}/{context}.parquet",
        code=code_of("token_column"),
        column=lambda wildcards: source_files(f"superficial.shift.columns.{wildcards.column}"),
    output:
        "results/columns/{dataset}/{pair}/{context}/{column}.parquet",
        "results/stats/{dataset}/{pair}/{context}/columns/{column}.csv",
    wildcard_constraints:
        column=r"\w+",
    group:
        "tables"
    params:
        cfg=RUN.slice("intervals"),
    shell:
        "{STAGE} token_column --cfg {params.cfg:q} --runtime {RUNTIME:q} shifts={input.shifts}"
        " reads={input.column} out={output}"


# The base under further contexts: one more costs a scoring of the responses and a comparison, nothing else.
rule contexts:
    input:
        reference="results/shifts/{dataset}/{pair}/{context}.parquet",
        others=[f"results/shifts/{{dataset}}/{{pair}}/{name}.parquet" for name in CONTEXTS],
        kinds="results/kinds/{dataset}/{pair}/{context}.parquet",
        data="results/data/{dataset}.parquet",
        code=code_of("contexts"),
    output:
        "results/stats/{dataset}/{pair}/{context}/recovery.csv",
        "results/stats/{dataset}/{pair}/{context}/entropy.csv",
    group:
        "tables"
    params:
        cfg=RUN.slice("intervals"),
    shell:
        "{STAGE} contexts --cfg {params.cfg:q} --runtime {RUNTIME:q} reference={input.reference}"
        " others={input.others} token_kinds={input.kinds} data={input.data} out={output}"


rule safety_depth:
    input:
        shifts="results/shifts/{dataset}/{pair}/{context}.parquet",
        data="results/data/{dataset}.parquet",
        code=code_of("safety_depth"),
    output:
        "results/stats/{dataset}/{pair}/{context}/safety_depth.csv",
    group:
        "tables"
    params:
        cfg=RUN.slice("intervals"),
    shell:
        "{STAGE} safety_depth --cfg {params.cfg:q} --runtime {RUNTIME:q} shifts={input.shifts} data={input.data}"
        " out={output}"


rule kinds_agreement:
    input:
        labelled="resources/kinds/labelled.csv",
        code=code_of("kinds_agreement"),
        words=WORD_LISTS,
    output:
        "results/stats/kinds_agreement.csv",
    shell:
        "{STAGE} kinds_agreement --cfg '{{}}' --runtime {RUNTIME:q} labelled={input.labelled}"
        " reads={input.words:q} out={output}"
