# Models: fetched and converted once.
rule model:
    input:
        base=INPUTS.base_manifest,
        adapter=INPUTS.adapter_files,
        code=code_of("model"),
    output:
        "results/models/{model}/manifest.json",
    log:
        "results/logs/models/{model}.log",
    priority: EARLY
    threads: HALF
    resources:
        runtime=holding(lambda wildcards: [wildcards.model])["runtime"],
    params:
        cfg=lambda wildcards: RUN.slice("model", wildcards.model),
    shell:
        stage() + " base={input.base} out={output}"
