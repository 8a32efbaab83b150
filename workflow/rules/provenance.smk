# What the run's figures and tables hang on, and whether it still is what it was: `python -m superficial verify`.
from superficial.pipeline.provenance.records import recall
from superficial.pipeline.targets import beyond_all

MANIFEST = "results/manifest.json"
# What was made by itself is named, too. It is no input: with other models it may be a day's work.
ASIDE = beyond_all()


rule manifest:
    input:
        made=ALL,
        code=code_of("manifest"),
    output:
        MANIFEST,
    localrule: True
    params:
        aside=[path for path in ASIDE if Path(path).is_file()],
    shell:
        "{STAGE} manifest --cfg '{{}}' --runtime {RUNTIME:q} made={input.made} {params.aside} out={output}"
