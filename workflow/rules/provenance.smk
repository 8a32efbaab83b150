# What the run's figures and tables hang on, and whether it still is what it was: `python -m superficial verify`.
MANIFEST = "results/manifest.json"


rule manifest:
    input:
        made=lambda wildcards: ALL[RUN.settings.subject],  # the Snakefile says which, further down
        code=code_of("manifest"),
    output:
        MANIFEST,
    localrule: True
    shell:
        "{STAGE} manifest --cfg '{{}}' --runtime {RUNTIME:q} made={input.made} out={output}"
