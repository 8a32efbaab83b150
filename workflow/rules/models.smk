# Models: fetched and converted once, or trained here.
ALIGN = RUN.settings.align
EXAMPLES = f"results/alignment/{ALIGN.name}.jsonl"


rule model:
    input:
        base=INPUTS.base_manifest,
        adapter=INPUTS.adapter_files,
        code=code_of("model"),
    output:
        "results/models/{model}/manifest.json",
    threads: HALF
    resources:
        runtime=holding(lambda wildcards: [wildcards.model])["runtime"],
    params:
        cfg=lambda wildcards: RUN.slice("model", wildcards.model),
    shell:
        "{STAGE} model --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} base={input.base} out={output}"


# What the sibling is trained on: the base's own answers, and hand-written refusals.
rule align_examples:
    input:
        data=f"results/data/{ALIGN.instructions.name}.parquet",
        responses=expand(
            f"results/responses/{ALIGN.instructions.name}/{ALIGN.base.name}/{{method}}.parquet",
            method=ALIGN.answers.methods,
        ),
        refusals=ALIGN.refusals,
        phrases="resources/safety/refusals.txt",
        code=code_of("align_examples"),
    output:
        EXAMPLES,
    params:
        # A function, because the slice holds a template with braces of its own.
        cfg=lambda wildcards: RUN.slice("align_examples"),
    shell:
        "{STAGE} align_examples --cfg {params.cfg:q} --runtime {RUNTIME:q} data={input.data}"
        " responses={input.responses} refusals={input.refusals} phrases={input.phrases}"
        " out={output}"


rule align:
    input:
        base=f"results/models/{ALIGN.base.name}/manifest.json",
        examples=EXAMPLES,
        template=ALIGN.chat_template,
        notice=ALIGN.notice,
        code=code_of("align"),
    output:
        f"results/adapters/{ALIGN.name}/card.json",
    threads: workflow.cores
    resources:
        **holding(lambda wildcards: [ALIGN.base.name]),
    params:
        cfg=lambda wildcards: RUN.slice("align"),  # it holds a template, too
    shell:
        "{STAGE} align --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} --cards {resources.gpu}"
        " base={input.base} examples={input.examples} template={input.template} notice={input.notice} out={output}"
