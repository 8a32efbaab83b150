# A judge scores responses, is held against itself and others, and compares systems.
from superficial.pipeline.slices import judging
from superficial.pipeline.systems import about_published, judged_systems, scoring
from superficial.views.browser.page import SHARED

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
CASE_PAGES = [
    *(file for part in ("assets", "templates") for file in sorted((PACKAGE / "views/cases" / part).iterdir())),
    *(PACKAGE / "views/browser/assets" / name for name in SHARED),
    PACKAGE / "views/browser/templates/base.html",
]


rule judge:
    input:
        data="results/data/{dataset}.parquet",
        responses="results/responses/{dataset}/{model}/{method}.parquet",
        model=lambda wildcards: judging.judge_model(RUN.judge(wildcards.judge)),
        files=lambda wildcards: judging.judge_files(RUN.judge(wildcards.judge)),
        shards=INPUTS.shared("judge", "{judge}/{model}.{method}", "judgments/{dataset}/{judge}/{model}/{method}"),
        code=code_of("judge"),
    output:
        JUDGMENTS,
    wildcard_constraints:
        **SYSTEM,
    threads: threads_with(INPUTS.judging_models)
    resources:
        **holding(INPUTS.judging_models),
    params:
        cfg=lambda wildcards: RUN.slice("judge", "{judge}/{model}.{method}".format(**wildcards)),
    shell:
        "{STAGE} judge --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} --cards {resources.gpu}"
        " data={input.data} responses={input.responses:q} model={input.model} reads={input.files:q} out={output:q}"


rule judge_shard:
    input:
        data=ancient("results/data/{dataset}.parquet"),
        responses=ancient("results/responses/{dataset}/{model}/{method}.parquet"),
        model=lambda wildcards: judging.judge_model(RUN.judge(wildcards.judge)),
        files=lambda wildcards: judging.judge_files(RUN.judge(wildcards.judge)),
    output:
        temp(touch("results/.shards/judgments/{dataset}/{judge}/{model}/{method}/{key}/{shard}")),
    wildcard_constraints:
        **SYSTEM,
    threads: threads_with(INPUTS.judging_models)
    resources:
        **holding(INPUTS.judging_models),
    params:
        cfg=lambda wildcards: RUN.slice("judge", "{judge}/{model}.{method}".format(**wildcards)),
    shell:
        "{STAGE} judge --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} --cards {resources.gpu}"
        " --shard {wildcards.shard} data={input.data} responses={input.responses:q} model={input.model}"
        " out=results/judgments/{wildcards.dataset}/{wildcards.judge}/{wildcards.model}/{wildcards.method:q}.parquet"


# Beside what was published, on the same responses.
rule published_judged:
    input:
        published=f"{PUBLISHED}/judgments.parquet",
        judgments=[*OWN, *BESIDE],
        code=code_of("published_judged"),
    output:
        f"{PUBLISHED}/judged.parquet",
    params:
        cfg=RUN.slice("published_judged"),
    shell:
        "{STAGE} published_judged --cfg {params.cfg:q} --runtime {RUNTIME:q}"
        " published={input.published} judgments={input.judgments:q} out={output}"


rule canaries:
    input:
        data="results/data/{dataset}.parquet",
        responses="results/responses/{dataset}/{model}/{method}.parquet",
        judgments=JUDGMENTS,
        model=lambda wildcards: judging.judge_model(RUN.judge(wildcards.judge)),
        files=lambda wildcards: judging.judge_files(RUN.judge(wildcards.judge)),
        sentences=RUN.settings.canaries.file,
        code=code_of("canaries"),
    output:
        "results/judgments/{dataset}/{judge}/{model}/{method}.canaries.parquet",
    wildcard_constraints:
        **SYSTEM,
    threads: threads_with(INPUTS.judging_models)
    resources:
        **holding(INPUTS.judging_models),
    params:
        cfg=lambda wildcards: RUN.slice("canaries", "{judge}/{model}.{method}".format(**wildcards)),
    shell:
        "{STAGE} canaries --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} --cards {resources.gpu}"
        " data={input.data} responses={input.responses:q} judgments={input.judgments:q} model={input.model}"
        " sentences={input.sentences:q} reads={input.files:q} out={output:q}"


rule pairwise:
    input:
        data="results/data/{dataset}.parquet",
        a=INPUTS.answers_of("a"),
        b=INPUTS.answers_of("b"),
        model=lambda wildcards: judging.judge_model(RUN.judge(wildcards.judge)),
        votes=lambda wildcards: judging.vote_files(RUN.judge(wildcards.judge)),
        files=lambda wildcards: judging.judge_files(RUN.judge(wildcards.judge), paired=True),
        code=code_of("pairwise"),
    output:
        "results/pairwise/{dataset}/{judge}/{comparison}.parquet",
    wildcard_constraints:
        comparison="|".join(map(re.escape, COMPARISONS)) or "none",
    threads: threads_with(INPUTS.judging_models)
    resources:
        **holding(INPUTS.judging_models),
    params:
        cfg=lambda wildcards: RUN.slice("pairwise", "{judge}/{comparison}".format(**wildcards)),
    shell:
        "{STAGE} pairwise --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} --cards {resources.gpu}"
        " data={input.data}"
        " a={input.a} b={input.b} model={input.model} votes={input.votes:q} reads={input.files:q} out={output}"


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
    group:
        "tables"
    params:
        cfg=RUN.slice("trust"),
    shell:
        "{STAGE} trust --cfg {params.cfg:q} --runtime {RUNTIME:q} judgments={input.judgments:q}"
        " others={input.others:q} canaries={input.canaries:q} pairwise={input.pairwise}"
        " published={input.published} out={output}"


rule:
    name:
        "tables/pairwise"
    input:
        pairwise=COMPARED,
        reads=[*OWN, *SCORED[1]] if COMPARISONS else [],
        code=code_of("tables/pairwise"),
    output:
        VIEWS["tables/pairwise"].out,
    group:
        "drawings"
    params:
        cfg=RUN.slice("pairwise_table"),
    shell:
        "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q}"
        " pairwise={input.pairwise} results=results reads={input.reads} out={output}"


rule:
    name:
        "tables/cases"
    input:
        data=f"results/data/{DATASET}.parquet",
        reads=[*OWN, *SCORED[1]] if COMPARISONS else [],
        code=code_of("tables/cases"),
    output:
        VIEWS["tables/cases"].out,
    group:
        "drawings"
    params:
        cfg=RUN.slice("cases"),
    shell:
        "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} data={input.data} results=results"
        " reads={input.reads} out={output}"


# A set of pages of its own: it is about two systems, the shift browser above it about one response's tokens.
rule:
    name:
        "figures/case_browser"
    input:
        data=f"results/data/{DATASET}.parquet",
        reads=[*OWN, *SCORED[1]] if COMPARISONS else [],
        code=code_of("figures/case_browser"),
        pages=list(map(str, CASE_PAGES)),
    output:
        VIEWS["figures/case_browser"].out,
    params:
        cfg=RUN.slice("cases"),
    shell:
        "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} data={input.data} results=results"
        " reads={input.reads} {input.pages:q} out={output}"
