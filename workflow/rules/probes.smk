# Analyses that go past the paper.
PREFILL = "results/prefill/{dataset}/{pair}"
SWAPPED = "results/causal/{dataset}/{pair}/{context}.parquet"
SEARCHED = f"results/search/{{dataset}}/{{pair}}/{RUN.settings.search.method}.json"
STATS = "results/stats/{dataset}/{pair}/{context}"


# How deep safety goes. The rules that draw intervals are this one with other files: they load no model, so that another
# confidence or seed costs little.
rule safety_depth:
    input:
        shifts="results/shifts/{dataset}/{pair}/{context}.parquet",
        data="results/data/{dataset}.parquet",
        code=code_of("safety_depth"),
    output:
        f"{STATS}/safety_depth.csv",
    log:
        "results/logs/stats/{dataset}/{pair}/{context}/safety_depth.log",
    group:
        "tables"
    params:
        cfg=RUN.slice("intervals"),
        files=stage_arguments,
    shell:
        stage() + " {params.files} out={output}"


# The base under further contexts: one more costs a scoring of the responses and a comparison, nothing else.
use rule safety_depth as contexts with:
    input:
        reference="results/shifts/{dataset}/{pair}/{context}.parquet",
        others=[f"results/shifts/{{dataset}}/{{pair}}/{name}.parquet" for name in CONTEXTS],
        token_kinds="results/kinds/{dataset}/{pair}/{context}.parquet",
        data="results/data/{dataset}.parquet",
        code=code_of("contexts"),
    output:
        f"{STATS}/recovery.csv",
        f"{STATS}/entropy.csv",
    log:
        "results/logs/stats/{dataset}/{pair}/{context}/contexts.log",


# Prefix handoff: the base model goes on from the aligned model's first response tokens (finding 4 of the paper).
rule handoff:
    input:
        **ANSWERED,
        pair="results/pairs/{pair}.json",
        model=INPUTS.manifest("base"),
        shifts="results/shifts/{dataset}/{pair}/{context}.parquet",
        prompt_files=RUN.prompt_files(CONTEXT),
        code=code_of("handoff"),
    output:
        "results/handoff/{dataset}/{pair}/{context}.parquet",
    log:
        "results/logs/handoff/{dataset}/{pair}/{context}.log",
    priority: EARLY  # it takes minutes: begun last, it would run alone at the end
    threads: threads_with(INPUTS.base_model)
    resources:
        **holding(INPUTS.base_model),
    params:
        cfg=lambda wildcards: RUN.slice("handoff"),  # a function, because it holds a template with braces of its own
    shell:
        stage(cards=True) + " pair={input.pair} model={input.model} data={input.data} responses={input.responses}"
        " shifts={input.shifts} prompt_files={input.prompt_files:q} out={output}"


use rule safety_depth as handoff_stats with:
    input:
        handoff="results/handoff/{dataset}/{pair}/{context}.parquet",
        code=code_of("handoff_stats"),
    output:
        f"{STATS}/handoff.csv",
    log:
        "results/logs/stats/{dataset}/{pair}/{context}/handoff.log",


# Prefill: how both models go on when the first tokens of a response to a harmful instruction are given.
rule prefill:
    input:
        **ANSWERED,
        model=lambda wildcards: INPUTS.manifest(wildcards.side)(wildcards),
        prompt_files=lambda wildcards: RUN.prompt_files(wildcards.seen),
        code=code_of("prefill"),
    output:
        f"{PREFILL}/{{side}}.{{seen}}.parquet",
    log:
        "results/logs/prefill/{dataset}/{pair}/{side}.{seen}.log",
    threads: threads_with(INPUTS.answering_side)
    resources:
        **holding(INPUTS.answering_side),
    params:
        cfg=lambda wildcards: RUN.slice("prefill", wildcards.seen),
    shell:
        stage(cards=True) + " model={input.model} data={input.data} responses={input.responses}"
        " prompt_files={input.prompt_files:q} out={output}"


use rule safety_depth as prefill_stats with:
    input:
        base=f"{PREFILL}/base.{{context}}.parquet",
        aligned=f"{PREFILL}/aligned.{RESPONSE}.parquet",
        phrases="resources/safety/refusals.txt",
        code=code_of("prefill_stats"),
    output:
        f"{STATS}/prefill.csv",
    log:
        "results/logs/stats/{dataset}/{pair}/{context}/prefill.log",


# Causal test: one model decodes, and takes the other one's token at some positions. Both are in memory at once.
rule causal:
    input:
        **PAIR,
        **ANSWERED,
        prompt_files=RUN.prompt_files(CONTEXT),
        code=code_of("causal"),
    output:
        SWAPPED,
    log:
        "results/logs/causal/{dataset}/{pair}/{context}.log",
    threads: threads_with(INPUTS.both_models)
    resources:
        **holding(INPUTS.both_models, at_once=True),
    params:
        cfg=lambda wildcards: RUN.slice("causal"),
    shell:
        stage(cards=True) + " pair={input.pair} base={input.base} aligned={input.aligned} data={input.data}"
        " responses={input.responses} prompt_files={input.prompt_files:q} out={output}"


# The texts with swapped tokens are judged like any other response.
rule judge_swapped:
    input:
        **JUDGING,
        causal=SWAPPED,
        code=code_of("judge"),
    output:
        "results/judgments/{dataset}/{judge}/{pair}/{context}.swapped.parquet",
    log:
        "results/logs/judgments/{dataset}/{judge}/{pair}/{context}.swapped.log",
    threads: threads_with(INPUTS.judging_models)
    resources:
        **holding(INPUTS.judging_models),
    params:
        cfg=lambda wildcards: RUN.slice("judge", "{judge}/{pair}.swapped".format(**wildcards)),
    shell:
        stage("judge", cards=True) + " data={input.causal} responses={input.causal} model={input.model}"
        " reads={input.files:q} out={output}"


use rule safety_depth as causal_stats with:
    input:
        causal=SWAPPED,
        # A judge that cannot be asked scores no new text.
        judgments=(
            f"results/judgments/{{dataset}}/{RUN.settings.judge.name}/{{pair}}/{{context}}.swapped.parquet"
            if judging.askable(RUN)
            else []
        ),
        code=code_of("causal_stats"),
    output:
        f"{STATS}/causal.csv",
    log:
        "results/logs/stats/{dataset}/{pair}/{context}/causal.log",


# Stage ladder: the aligned responses under every stage of training. A stage is compared with the aligned model as the
# pair PAIR.STAGE, so that one more costs a scoring of the responses and a comparison, nothing else.
use rule safety_depth as ladder with:
    input:
        base="results/shifts/{dataset}/{pair}/{context}.parquet",
        stages=INPUTS.stage_tables,
        token_kinds="results/kinds/{dataset}/{pair}/{context}.parquet",
        data="results/data/{dataset}.parquet",
        code=code_of("ladder"),
    output:
        f"{STATS}/ladder.csv",
    log:
        "results/logs/stats/{dataset}/{pair}/{context}/ladder.log",


# Pairs with different tokenizers: the same text under both models, by spans of bytes.
rule byte_pair:
    input:
        base=INPUTS.manifest("base"),
        aligned=INPUTS.manifest("aligned"),
        code=code_of("byte_pair"),
    output:
        "results/pairs/{pair}.bytes.json",
    log:
        "results/logs/pairs/{pair}.bytes.log",
    params:
        cfg=RUN.slice("pair"),
    shell:
        stage() + " base={input.base} aligned={input.aligned} out={output}"


rule spans:
    input:
        **PAIR | {"pair": "results/pairs/{pair}.bytes.json"},
        **ANSWERED,
        prompt_files=RUN.prompt_files(CONTEXT),
        code=code_of("spans"),
    output:
        "results/spans/{dataset}/{pair}/{context}.parquet",
    log:
        "results/logs/spans/{dataset}/{pair}/{context}.log",
    threads: threads_with(INPUTS.both_models)
    resources:
        **holding(INPUTS.both_models),
    params:
        cfg=lambda wildcards: RUN.slice("score", CONTEXT),
    shell:
        stage(cards=True) + " pair={input.pair} base={input.base} aligned={input.aligned} data={input.data}"
        " responses={input.responses} prompt_files={input.prompt_files:q} out={output}"


use rule safety_depth as span_stats with:
    input:
        spans="results/spans/{dataset}/{pair}/{context}.parquet",
        code=code_of("span_stats"),
    output:
        f"{STATS}/spans.csv",
    log:
        "results/logs/stats/{dataset}/{pair}/{context}/spans.log",


# Prompt search: which examples of a pool, in which order, bring the base nearest to the aligned model.
rule prompt_search:
    input:
        **PAIR,
        **ANSWERED,
        score=f"results/scores/{{dataset}}/{{pair}}/aligned.{RESPONSE}.safetensors",
        prompt_files=lambda wildcards: RUN.prompt_files(wildcards.method),
        code=code_of("prompt_search"),
    output:
        "results/search/{dataset}/{pair}/{method}.json",
        "results/search/{dataset}/{pair}/{method}_found.yaml",
    log:
        "results/logs/search/{dataset}/{pair}/{method}.log",
    threads: workflow.cores  # one long job
    resources:
        **holding(INPUTS.both_models),
    params:
        cfg=lambda wildcards: RUN.slice("prompt_search", wildcards.method),
    shell:
        stage(cards=True) + " pair={input.pair} base={input.base} aligned={input.aligned} data={input.data}"
        " responses={input.responses} aligned_score={input.score} prompt_files={input.prompt_files:q}"
        " out={output}"


use rule safety_depth as prompt_search_stats with:
    input:
        searched=SEARCHED,
        code=code_of("prompt_search_stats"),
    output:
        f"{STATS}/prompt_search.csv",
        f"{STATS}/prompt_search_trace.csv",
    log:
        "results/logs/stats/{dataset}/{pair}/{context}/prompt_search.log",
