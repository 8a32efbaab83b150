# Figures, tables, pages and the report: each is a target of its own and reads tidy tables, so a colour reruns no model.
# What most of them read stands in their modules (src/superficial/views/). The others have rules of their own.
from superficial.pipeline.slices.judging import beside_responses
from superficial.pipeline.stages import PACKAGE
from superficial.pipeline.targets import declared_in, drawn_views, files_of, in_report, outputs_of
from superficial.views.browser.page import SHARED
from superficial.views.declared import declared
from superficial.views.report.entries import captioned, told

VIEWS = {name: one.view for name, one in declared().items()}
ALIGNED = [f"{pair.aligned.name}/{RESPONSE}.parquet" for pair in PAIRS.values()]
REASONS = beside_responses(RUN)  # of a judge, beside each response
BROWSED = [
    f"results/data/{DATASET}.parquet",
    *expand("results/shifts/{dataset}/{pair}/{seen}.parquet", dataset=DATASET, pair=PAIRS, seen=[CONTEXT, *CONTEXTS]),
    *[f"results/responses/{DATASET}/{system}" for system in ALIGNED],
    *[f"results/judgments/{DATASET}/{REASONS.name}/{system}" for system in ALIGNED if REASONS],
    *[f"results/models/{side.name}/manifest.json" for pair in PAIRS.values() for side in (pair.base, pair.aligned)],
    *[file for seen in [CONTEXT, *CONTEXTS] for file in RUN.prompt_files(seen)],
]
# What the tables and pages of comparisons read beside them.
COMPARED_SCORES = [*OWN, *SCORED[1]] if COMPARISONS else []
CASE_PAGES = [
    *(file for part in ("assets", "templates") for file in sorted((PACKAGE / "views/cases" / part).iterdir())),
    *(PACKAGE / "views/browser/assets" / name for name in SHARED),
    PACKAGE / "views/browser/templates/base.html",
]
REPORTED = captioned(ALL)
INDEX = "results/index.html"
INDEX_FILES = [
    str(PACKAGE / "views" / name)
    for name in ("report/templates/page.html", "index/templates/index.html", "index/assets/search.js")
]


report: os.path.abspath("results/report/overview.rst")


for target, view in drawn_views("figures").items():

    rule:
        name:
            target
        input:
            **files_of(view, RUN),
            code=code_of(target),
        output:
            outputs_of(target, report),
        log:
            f"results/logs/{target}.log",
        priority: EARLY if view.paper in EARLY_FIGURES else 0
        group:
            "drawings"
        params:
            cfg=RUN.slice(view.slice),
            files=stage_arguments,
        shell:
            stage() + " {params.files} out={output[0]}"


for target, view in drawn_views("tables").items():

    rule:
        name:
            target
        input:
            **files_of(view, RUN),
            code=code_of(target),
        output:
            view.out,
        log:
            f"results/logs/{target}.log",
        group:
            "drawings"
        params:
            cfg=RUN.slice(view.slice),
            files=stage_arguments,
        shell:
            stage() + " {params.files} out={output}"


rule:
    name:
        "figures/methods_example"
    input:
        data=f"results/data/{DATASET}.parquet",
        answers=f"results/responses_stats/{DATASET}.answers.csv",
        responses=[
            f"results/responses/{DATASET}/{model}/{method}.parquet" for model, method in answering.example_systems(RUN)
        ],
        code=code_of("figures/methods_example"),
    output:
        outputs_of("figures/methods_example", report),
    log:
        "results/logs/figures/methods_example.log",
    group:
        "drawings"
    params:
        cfg=RUN.slice("methods_example"),
    shell:
        stage() + " data={input.data} answers={input.answers} responses={input.responses} out={output[0]}"


rule:
    name:
        "tables/pairwise"
    input:
        pairwise=COMPARED,
        reads=COMPARED_SCORES,
        code=code_of("tables/pairwise"),
    output:
        VIEWS["tables/pairwise"].out,
    log:
        "results/logs/tables/pairwise.log",
    group:
        "drawings"
    params:
        cfg=RUN.slice("pairwise_table"),
    shell:
        stage() + " pairwise={input.pairwise} results=results reads={input.reads} out={output}"


rule:
    name:
        "tables/cases"
    input:
        data=f"results/data/{DATASET}.parquet",
        reads=COMPARED_SCORES,
        code=code_of("tables/cases"),
    output:
        VIEWS["tables/cases"].out,
    log:
        "results/logs/tables/cases.log",
    group:
        "drawings"
    params:
        cfg=RUN.slice("cases"),
    shell:
        stage() + " data={input.data} results=results reads={input.reads} out={output}"


# The shift browser: static pages that open from disk.
rule:
    name:
        "figures/shift_browser"
    input:
        reads=BROWSED,
        code=code_of("figures/shift_browser"),
        pages=[
            str(file)
            for part in ("assets", "templates")
            for file in sorted((PACKAGE / "views/browser" / part).iterdir())
        ],
    output:
        VIEWS["figures/shift_browser"].out,
    log:
        "results/logs/figures/shift_browser.log",
    params:
        # A function, because the slice holds a template with braces of its own.
        cfg=lambda wildcards: RUN.slice("browser"),
    shell:
        stage() + " results=results reads={input.reads:q} {input.pages:q} out={output}"


# A set of pages of its own: it is about two systems, the shift browser above it about one response's tokens.
rule:
    name:
        "figures/case_browser"
    input:
        data=f"results/data/{DATASET}.parquet",
        reads=COMPARED_SCORES,
        code=code_of("figures/case_browser"),
        pages=list(map(str, CASE_PAGES)),
    output:
        VIEWS["figures/case_browser"].out,
    log:
        "results/logs/figures/case_browser.log",
    params:
        cfg=RUN.slice("cases"),
    shell:
        stage() + " data={input.data} results=results reads={input.reads} {input.pages:q} out={output}"


# What a run ends with: everything that was made, on one page.
rule index_page:
    input:
        made=ALL,
        reads=told(ALL),
        code=code_of("index_page"),
        page=INDEX_FILES,
        views=declared_in(REPORTED),
    output:
        INDEX,
    log:
        "results/logs/index.log",
    localrule: True
    params:
        cfg=RUN.slice("report"),
        beside=[path for path in [*ASIDE, "results/report.html"] if Path(path).is_file()],
    shell:
        stage() + " made={input.made} {params.beside} reads={input.reads} {input.page:q} {input.views:q}"
        " out={output}"


# Snakemake's own report, with captions: `make report`.
rule captions:
    input:
        manifest=MANIFEST,
        reads=told(ALL),
        code=code_of("report"),
        template=str(PACKAGE / "views/report/templates/page.html"),
        views=declared_in(REPORTED),
    output:
        expand("results/report/{name}.rst", name=["overview", *REPORTED]),
        [in_report(f"results/report/{name}.html", name, report) for name in REPORTED if name.startswith("tables/")],
    log:
        "results/logs/report.log",
    localrule: True
    params:
        cfg=RUN.slice("report"),
    shell:
        stage("report") + " manifest={input.manifest} reads={input.reads} {input.template:q} {input.views:q}"
        " out={output}"


rule:
    name:
        "report"
    input:
        ALL,
        rules.captions.output,
    localrule: True
