# What answers look like; what a judge says of them, how far it can be trusted; and what others published.
from superficial.judging.published.file_names import published_files
from superficial.pipeline.slices import judging
from superficial.pipeline.slices import responses as answering
from superficial.pipeline.slices.registry import judged_view, published_judged
from superficial.pipeline.systems import PUBLISHED as BY_OTHERS
from superficial.pipeline.systems import about_published, judged_systems, published_outputs, scoring

PUBLISHED = f"results/published/{DATASET}"  # with the judgments of this run's judges, where it has any
JUDGED_PUBLISHED = f"{PUBLISHED}/{'judged' if published_judged(RUN).judges else 'judgments'}.parquet"
ANSWER_SETS = [f"{model}/{method}" for model, method in RUN.systems]
JUDGE = judged_view(RUN).judge.name
# Whose scores, files of judgments and of responses in one order; experiment=published shows the published judgments.
SCORED = {
    "models": [
        [f"results/judgments/{DATASET}/{JUDGE}/{system}.parquet" for system in ANSWER_SETS],
        [f"results/responses/{DATASET}/{system}.parquet" for system in ANSWER_SETS],
    ],
    "published": [[JUDGED_PUBLISHED], [f"{PUBLISHED}/responses.parquet"]],
}[RUN.settings.subject]
JUDGMENTS = "results/judgments/{dataset}/{judge}/{model}/{method}.parquet"
COMPARISONS = judging.comparisons(RUN)
COMPARED = [
    f"results/pairwise/{DATASET}/{judge}/{name}.parquet" for judge in judging.comparing(RUN) for name in COMPARISONS
]
OWN, BESIDE = (
    [
        f"results/judgments/{DATASET}/{judge}/{model}/{method}.parquet"
        for judge in scoring(RUN, beside=beside)
        for model, method in judged_systems(RUN)
    ]
    for beside in (False, True)
)
CANARIES = [
    f"results/judgments/{DATASET}/{RUN.settings.judge.name}/{model}/{method}.canaries.parquet"
    for model, method in judging.judged_again(RUN)
]
# What may stand in the place of a model and of a method where something is judged.
SYSTEM = {
    "model": "|".join([*MODELS, BY_OTHERS]),
    "method": "|".join(map(re.escape, [*RUN.method_names, *published_outputs(RUN)])),
}
# What a judge reads beside the responses.
JUDGING = {
    "model": lambda wildcards: judging.judge_model(RUN.judge(wildcards.judge)),
    "files": lambda wildcards: judging.judge_files(RUN.judge(wildcards.judge)),
}
COMPARING = JUDGING | {
    "votes": lambda wildcards: judging.vote_files(RUN.judge(wildcards.judge)),
    "files": lambda wildcards: judging.judge_files(RUN.judge(wildcards.judge), paired=True),
}


# What each method's answers look like.
rule response_stats:
    input:
        data="results/data/{dataset}.parquet",
        responses=[f"results/responses/{{dataset}}/{system}.parquet" for system in ANSWER_SETS],
        models=[f"results/models/{model}/manifest.json" for model in answering.cut_models(RUN)],
        code=code_of("response_stats"),
    output:
        "results/responses_stats/{dataset}.csv",
        "results/responses_stats/{dataset}.answers.csv",
    log:
        "results/logs/responses_stats/{dataset}.log",
    group:
        "tables"
    params:
        cfg=RUN.slice("response_stats"),
    shell:
        stage() + " data={input.data} responses={input.responses} models={input.models} out={output}"


# What was published is read once; what an N/A means is decided further down.
rule published:
    input:
        files=list(map(str, published_files(Path(RUN.settings.published_dir or os.devnull)))),
        data=f"results/data/{DATASET}.parquet",
        code=code_of("published"),
    output:
        f"{PUBLISHED}/judgments.parquet",
        f"{PUBLISHED}/responses.parquet",
    log:
        f"results/logs/published/{DATASET}.log",
    params:
        cfg=RUN.slice("published"),
    shell:
        stage() + " data={input.data} out={output}"


# The same responses one system at a time, as `judge` reads them.
rule published_answers:
    input:
        outputs=lambda wildcards: list(map(str, published_outputs(RUN)[wildcards.system])),
        data="results/data/{dataset}.parquet",
        code=code_of("published_answers"),
    output:
        f"results/responses/{{dataset}}/{BY_OTHERS}/{{system}}.parquet",
    log:
        f"results/logs/responses/{{dataset}}/{BY_OTHERS}/{{system}}.log",
    wildcard_constraints:
        system="|".join(map(re.escape, published_outputs(RUN))) or "none",
    params:
        cfg=RUN.slice("published_answers"),
    shell:
        stage() + " data={input.data} outputs={input.outputs:q} out={output:q}"


# Our responses in just-eval's own format: `snakemake exports`, or one file of them.
rule export:
    input:
        data="results/data/{dataset}.parquet",
        responses="results/responses/{dataset}/{model}/{method}.parquet",
        code=code_of("export"),
    output:
        "results/exports/{dataset}/{model}.{method}.json",
    log:
        "results/logs/exports/{dataset}/{model}.{method}.log",
    params:
        cfg=lambda wildcards: RUN.slice("export", wildcards.model),
    shell:
        stage() + " data={input.data} responses={input.responses} out={output}"


rule exports:
    input:
        [f"results/exports/{DATASET}/{model}.{method}.json" for model, method in RUN.systems],
    localrule: True


rule judge:
    input:
        **JUDGING,
        data="results/data/{dataset}.parquet",
        responses="results/responses/{dataset}/{model}/{method}.parquet",
        shards=INPUTS.shared("judge", "{judge}/{model}.{method}", "judgments/{dataset}/{judge}/{model}/{method}"),
        code=code_of("judge"),
    output:
        JUDGMENTS,
    log:
        "results/logs/judgments/{dataset}/{judge}/{model}/{method}.log",
    wildcard_constraints:
        **SYSTEM,
    threads: threads_with(INPUTS.judging_models)
    resources:
        **holding(INPUTS.judging_models),
    params:
        cfg=lambda wildcards: RUN.slice("judge", "{judge}/{model}.{method}".format(**wildcards)),
    shell:
        stage(cards=True) + " data={input.data} responses={input.responses:q} model={input.model}"
        " reads={input.files:q} out={output:q}"


rule judge_shard:
    input:
        **JUDGING,
        data=ancient("results/data/{dataset}.parquet"),
        responses=ancient("results/responses/{dataset}/{model}/{method}.parquet"),
    output:
        temp(touch("results/.shards/judgments/{dataset}/{judge}/{model}/{method}/{key}/{shard}")),
    log:
        "results/logs/shards/judgments/{dataset}/{judge}/{model}/{method}/{key}/{shard}.log",
    wildcard_constraints:
        **SYSTEM,
    threads: threads_with(INPUTS.judging_models)
    resources:
        **holding(INPUTS.judging_models),
    params:
        cfg=lambda wildcards: RUN.slice("judge", "{judge}/{model}.{method}".format(**wildcards)),
    shell:
        stage("judge", cards=True) + " --shard {wildcards.shard} data={input.data} responses={input.responses:q}"
        " model={input.model}"
        " out=results/judgments/{wildcards.dataset}/{wildcards.judge}/{wildcards.model}/{wildcards.method:q}.parquet"


# Beside what was published, on the same responses.
rule published_judged:
    input:
        published=f"{PUBLISHED}/judgments.parquet",
        judgments=[*OWN, *BESIDE],
        code=code_of("published_judged"),
    output:
        f"{PUBLISHED}/judged.parquet",
    log:
        f"results/logs/published/{DATASET}.judged.log",
    params:
        cfg=RUN.slice("published_judged"),
    shell:
        stage() + " published={input.published} judgments={input.judgments:q} out={output}"


rule canaries:
    input:
        **JUDGING,
        data="results/data/{dataset}.parquet",
        responses="results/responses/{dataset}/{model}/{method}.parquet",
        judgments=JUDGMENTS,
        sentences=RUN.settings.canaries.file,
        code=code_of("canaries"),
    output:
        "results/judgments/{dataset}/{judge}/{model}/{method}.canaries.parquet",
    log:
        "results/logs/judgments/{dataset}/{judge}/{model}/{method}.canaries.log",
    wildcard_constraints:
        **SYSTEM,
    threads: threads_with(INPUTS.judging_models)
    resources:
        **holding(INPUTS.judging_models),
    params:
        cfg=lambda wildcards: RUN.slice("canaries", "{judge}/{model}.{method}".format(**wildcards)),
    shell:
        stage(cards=True) + " data={input.data} responses={input.responses:q} judgments={input.judgments:q}"
        " model={input.model} sentences={input.sentences:q} reads={input.files:q} out={output:q}"


rule pairwise:
    input:
        **COMPARING,
        data="results/data/{dataset}.parquet",
        a=INPUTS.answers_of("a"),
        b=INPUTS.answers_of("b"),
        code=code_of("pairwise"),
    output:
        "results/pairwise/{dataset}/{judge}/{comparison}.parquet",
    log:
        "results/logs/pairwise/{dataset}/{judge}/{comparison}.log",
    wildcard_constraints:
        comparison="|".join(map(re.escape, COMPARISONS)) or "none",
    threads: threads_with(INPUTS.judging_models)
    resources:
        **holding(INPUTS.judging_models),
    params:
        cfg=lambda wildcards: RUN.slice("pairwise", "{judge}/{comparison}".format(**wildcards)),
    shell:
        stage(cards=True) + " data={input.data} a={input.a} b={input.b} model={input.model} votes={input.votes:q}"
        " reads={input.files:q} out={output}"


rule trust:
    input:
        judgments=OWN,
        others=BESIDE,
        canaries=CANARIES,
        pairwise=[path for path in COMPARED if f"/{RUN.settings.judge.name}/" in path],
        published=f"{PUBLISHED}/judgments.parquet" if about_published(RUN) else [],
        code=code_of("trust"),
    output:
        f"results/judged/{DATASET}/{RUN.settings.judge.name}.trust.csv",
    log:
        f"results/logs/judged/{DATASET}/{RUN.settings.judge.name}.trust.log",
    group:
        "tables"
    params:
        cfg=RUN.slice("trust"),
    shell:
        stage() + " judgments={input.judgments:q} others={input.others:q} canaries={input.canaries:q}"
        " pairwise={input.pairwise} published={input.published} out={output}"


# What a judge said, in one table.
rule judged:
    input:
        judgments=SCORED[0],
        responses=SCORED[1],
        data=f"results/data/{DATASET}.parquet",
        code=code_of("judged"),
    output:
        f"results/judged/{DATASET}/{JUDGE}.csv",
    log:
        f"results/logs/judged/{DATASET}/{JUDGE}.log",
    group:
        "tables"
    params:
        cfg=RUN.slice("judged"),
    shell:
        stage() + " judgments={input.judgments} responses={input.responses} data={input.data} out={output}"


rule refusals_agreement:
    input:
        labelled="resources/safety/labelled.csv",
        phrases="resources/safety/refusals.txt",
        code=code_of("refusals_agreement"),
    output:
        "results/stats/refusals_agreement.csv",
    log:
        "results/logs/stats/refusals_agreement.log",
    params:
        cfg="{}",
    shell:
        stage() + " labelled={input.labelled} phrases={input.phrases} out={output}"
