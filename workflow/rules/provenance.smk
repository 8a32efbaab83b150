# What the run's figures and tables hang on, and whether it still is what it was: `python -m superficial verify`.
MANIFEST = "results/manifest.json"


rule manifest:
    input:
        made=ALL[RUN.settings.subject],
        code=code_of("manifest"),
    output:
        MANIFEST,
    localrule: True
    shell:
        "{STAGE} manifest --cfg '{{}}' --runtime {RUNTIME:q} made={input.made} out={output}"
