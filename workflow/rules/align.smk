# The aligned sibling, trained here.
ALIGN = RUN.settings.align
EXAMPLES = f"results/alignment/{ALIGN.name}.jsonl"


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
    log:
        f"results/logs/alignment/{ALIGN.name}.log",
    params:
        # A function, because the slice holds a template with braces of its own.
        cfg=lambda wildcards: RUN.slice("align_examples"),
    shell:
        stage() + " data={input.data} responses={input.responses} refusals={input.refusals}"
        " phrases={input.phrases} out={output}"


rule align:
    input:
        base=f"results/models/{ALIGN.base.name}/manifest.json",
        examples=EXAMPLES,
        template=ALIGN.chat_template,
        notice=ALIGN.notice,
        code=code_of("align"),
    output:
        f"results/adapters/{ALIGN.name}/card.json",
    log:
        f"results/logs/adapters/{ALIGN.name}.log",
    threads: workflow.cores
    resources:
        **holding(lambda wildcards: [ALIGN.base.name]),
    params:
        cfg=lambda wildcards: RUN.slice("align"),  # it holds a template, too
    shell:
        stage(cards=True) + " base={input.base} examples={input.examples} template={input.template}"
        " notice={input.notice} out={output}"
