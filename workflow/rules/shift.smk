# Token distribution shift: both models score the same response tokens, each under its own context.
from superficial.pipeline.slices.probes import further_contexts
from superficial.pipeline.stages import source_files
from superficial.shift.kinds.word_lists import FILES as WORD_LISTS

CONTEXTS = further_contexts(RUN)


wildcard_constraints:
    change="two_bos|aligned_context",
    column=r"\w+",


rule pair:
    input:
        base=INPUTS.manifest("base"),
        aligned=INPUTS.manifest("aligned"),
        code=code_of("pair"),
    output:
        "results/pairs/{pair}.json",
    log:
        "results/logs/pairs/{pair}.log",
    priority: EARLY
    params:
        cfg=RUN.slice("pair"),
    shell:
        stage() + " base={input.base} aligned={input.aligned} out={output}"


rule score:
    input:
        **ANSWERED,
        pair="results/pairs/{pair}.json",
        model=lambda wildcards: INPUTS.manifest(wildcards.side)(wildcards),
        prompt_files=lambda wildcards: RUN.prompt_files(wildcards.seen),
        before=INPUTS.scored_before,
        shards=INPUTS.shared("score", "{seen}", "scores/{dataset}/{pair}/{side}.{seen}"),
        code=code_of("score"),
    output:
        scored("results/scores/{dataset}/{pair}/{side}.{seen}.safetensors"),
    log:
        "results/logs/scores/{dataset}/{pair}/{side}.{seen}.log",
    priority: lambda wildcards: EARLY if wildcards.seen in (CONTEXT, RESPONSE) else 0
    threads: threads_with(INPUTS.both_models)
    resources:
        **holding(INPUTS.both_models),
    params:
        cfg=lambda wildcards: RUN.slice("score", wildcards.seen),
    shell:
        stage(cards=True) + " pair={input.pair} model={input.model} data={input.data} responses={input.responses}"
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
    log:
        "results/logs/shards/scores/{dataset}/{pair}/{side}.{seen}/{key}/{shard}.log",
    threads: threads_with(INPUTS.both_models)
    resources:
        **holding(INPUTS.both_models),
    params:
        cfg=lambda wildcards: RUN.slice("score", wildcards.seen),
    shell:
        stage("score", cards=True) + " --shard {wildcards.shard} pair={input.pair} model={input.model}"
        " data={input.data} responses={input.responses} prompt_files={input.prompt_files:q}"
        " out=results/scores/{wildcards.dataset}/{wildcards.pair}/{wildcards.side}.{wildcards.seen}.safetensors"


rule compare:
    input:
        **PAIR,
        responses=INPUTS.responses,
        base_score="results/scores/{dataset}/{pair}/base.{context}.safetensors",
        aligned_score=INPUTS.aligned_score,
        code=code_of("compare"),
    output:
        "results/shifts/{dataset}/{pair}/{context}.parquet",
    log:
        "results/logs/shifts/{dataset}/{pair}/{context}.log",
    wildcard_constraints:
        context="|".join([CONTEXT, RESPONSE, *CONTEXTS]),
    priority: EARLY + 1  # before further scores: states that are not kept go when they are compared
    threads: threads_with(INPUTS.both_models)
    resources:
        **holding(INPUTS.both_models),
    params:
        cfg=RUN.slice("compare"),
    shell:
        stage(cards=True) + " pair={input.pair} base={input.base} aligned={input.aligned}"
        " responses={input.responses} base_score={input.base_score} aligned_score={input.aligned_score}"
        " out={output}"


rule kinds:
    input:
        shifts="results/shifts/{dataset}/{pair}/{context}.parquet",
        responses=INPUTS.responses,
        code=code_of("kinds"),
        words=WORD_LISTS,
    output:
        "results/kinds/{dataset}/{pair}/{context}.parquet",
    log:
        "results/logs/kinds/{dataset}/{pair}/{context}.log",
    priority: EARLY
    group:
        "tables"
    params:
        cfg="{}",
    shell:
        stage() + " shifts={input.shifts} responses={input.responses} reads={input.words:q} out={output}"


rule stats:
    input:
        **ANSWERED,
        shifts="results/shifts/{dataset}/{pair}/{context}.parquet",
        kinds="results/kinds/{dataset}/{pair}/{context}.parquet",
        code=code_of("stats"),
    output:
        expand(
            "results/stats/{{dataset}}/{{pair}}/{{context}}/{table}.csv",
            table=["ratios", "positions", "tokens", "kinds", "groups", "clusters", "summary"],
        ),
    log:
        "results/logs/stats/{dataset}/{pair}/{context}.log",
    priority: EARLY
    group:
        "tables"
    threads: HALF  # all cores would never be free at a time while other jobs wait
    params:
        cfg=RUN.slice("stats"),
    shell:
        stage() + " shifts={input.shifts} token_kinds={input.kinds} responses={input.responses} data={input.data}"
        " out={output}"


# A further number of every response token: a module of src/superficial/shift/columns/ for each.
rule token_column:
    input:
        shifts="results/shifts/{dataset}/{pair}/{context}.parquet",
        kinds="results/kinds/{dataset}/{pair}/{context}.parquet",
        responses=INPUTS.responses,
        code=code_of("token_column"),
        column=lambda wildcards: source_files(f"superficial.shift.columns.{wildcards.column}"),
    output:
        "results/columns/{dataset}/{pair}/{context}/{column}.parquet",
        "results/stats/{dataset}/{pair}/{context}/columns/{column}.csv",
    log:
        "results/logs/columns/{dataset}/{pair}/{context}/{column}.log",
    group:
        "tables"
    params:
        cfg=RUN.slice("intervals"),
    shell:
        stage() + " shifts={input.shifts} token_kinds={input.kinds} responses={input.responses}"
        " reads={input.column} out={output}"


rule kinds_agreement:
    input:
        labelled="resources/kinds/labelled.csv",
        code=code_of("kinds_agreement"),
        words=WORD_LISTS,
    output:
        "results/stats/kinds_agreement.csv",
    log:
        "results/logs/stats/kinds_agreement.log",
    params:
        cfg="{}",
    shell:
        stage() + " labelled={input.labelled} reads={input.words:q} out={output}"


# What `tables/definitions` is made from: two more passes of each base model.
rule rescore:
    input:
        **ANSWERED,
        pair="results/pairs/{pair}.json",
        model=INPUTS.manifest("base"),
        prompt_files=RUN.prompt_files(CONTEXT),
        code=code_of("rescore"),
    output:
        scored("results/scores/{dataset}/{pair}/base.{seen}.{change}.safetensors"),
    log:
        "results/logs/scores/{dataset}/{pair}/base.{seen}.{change}.log",
    wildcard_constraints:
        seen=f"{RESPONSE}|{CONTEXT}",
    threads: threads_with(INPUTS.base_model)
    resources:
        **holding(INPUTS.base_model),
    params:
        cfg=lambda wildcards: RUN.slice("rescore", wildcards.change),
    shell:
        stage(cards=True) + " pair={input.pair} model={input.model} data={input.data} responses={input.responses}"
        " prompt_files={input.prompt_files:q} out={output}"


rule definitions:
    input:
        **PAIR,
        responses=INPUTS.responses,
        base_score="results/scores/{dataset}/{pair}/base.{context}.safetensors",
        two_bos="results/scores/{dataset}/{pair}/base.{context}.two_bos.safetensors",
        aligned_context=f"results/scores/{{dataset}}/{{pair}}/base.{RESPONSE}.aligned_context.safetensors",
        aligned_score=f"results/scores/{{dataset}}/{{pair}}/aligned.{RESPONSE}.safetensors",
        code=code_of("definitions"),
    output:
        "results/shifts/{dataset}/{pair}/{context}.definitions.parquet",
    log:
        "results/logs/shifts/{dataset}/{pair}/{context}.definitions.log",
    threads: threads_with(INPUTS.both_models)
    resources:
        **holding(INPUTS.both_models),
    params:
        cfg="{}",
    shell:
        stage(cards=True) + " pair={input.pair} base={input.base} aligned={input.aligned}"
        " responses={input.responses} base_score={input.base_score} two_bos={input.two_bos}"
        " aligned_context={input.aligned_context} aligned_score={input.aligned_score} out={output}"
