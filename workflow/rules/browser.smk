# The shift browser: static pages that open from disk.
from superficial.pipeline.slices.judging import beside_responses
from superficial.pipeline.stages import PACKAGE

ALIGNED = [f"{pair.aligned.name}/{RESPONSE}.parquet" for pair in PAIRS.values()]
REASONS = beside_responses(RUN)  # of a judge, beside each response
SHOWN = [
    f"results/data/{DATASET}.parquet",
    *expand("results/shifts/{dataset}/{pair}/{seen}.parquet", dataset=DATASET, pair=PAIRS, seen=[CONTEXT, *CONTEXTS]),
    *[f"results/responses/{DATASET}/{system}" for system in ALIGNED],
    *[f"results/judgments/{DATASET}/{REASONS.name}/{system}" for system in ALIGNED if REASONS],
    *[f"results/models/{side.name}/manifest.json" for pair in PAIRS.values() for side in (pair.base, pair.aligned)],
    *[file for seen in [CONTEXT, *CONTEXTS] for file in RUN.prompt_files(seen)],
]


rule:
    name:
        "figures/shift_browser"
    input:
        reads=SHOWN,
        code=code_of("figures/shift_browser"),
        pages=[
            str(file)
            for part in ("assets", "templates")
            for file in sorted((PACKAGE / "views/browser" / part).iterdir())
        ],
    output:
        VIEWS["figures/shift_browser"].out,
    params:
        # A function, because the slice holds a template with braces of its own.
        cfg=lambda wildcards: RUN.slice("browser"),
    shell:
        "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} results=results"
        " reads={input.reads:q} {input.pages:q} out={output}"
