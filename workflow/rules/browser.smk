# The shift browser: static pages that open from disk.
from superficial.stages import PACKAGE

BROWSER = "results/browser/index.html"
SHOWN = [
    f"results/data/{DATASET}.parquet",
    *expand(SHIFTS, pair=PAIRS),
    *[f"results/responses/{DATASET}/{pair.aligned.name}/{RESPONSE}.parquet" for pair in PAIRS.values()],
    *[f"results/models/{side.name}/manifest.json" for pair in PAIRS.values() for side in (pair.base, pair.aligned)],
    *RUN.prompt_files(CONTEXT),
]


rule:
    name:
        "figures/shift_browser"
    input:
        reads=SHOWN,
        code=code_of("figures/shift_browser"),
        pages=[str(file) for part in ("assets", "templates") for file in sorted((PACKAGE / "browser" / part).iterdir())],
    output:
        BROWSER,
    params:
        # A function, because the slice holds a template with braces of its own.
        cfg=lambda wildcards: RUN.slice("browser"),
    shell:
        "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} results=results"
        " reads={input.reads:q} {input.pages:q} out={output}"
