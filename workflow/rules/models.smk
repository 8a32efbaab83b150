# Models: fetched and converted once, or trained here.
from superficial.config.schema import LoraSource


def adapter_files(wildcards):
    source = RUN.model(wildcards.model).source
    # What is missing there is left to the stage, which says in one line what to do about it.
    folder = Path(source.adapter).glob("*") if isinstance(source, LoraSource) else []
    return sorted(str(file) for file in folder if file.is_file())


def base_manifest(wildcards):
    source = RUN.model(wildcards.model).source
    return f"results/models/{source.base.name}/manifest.json" if isinstance(source, LoraSource) else []


rule model:
    input:
        base=base_manifest,
        adapter=adapter_files,
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


rule align:
    input:
        base=f"results/models/{RUN.settings.align.base.name}/manifest.json",
        data=RUN.settings.align.data,
        template=RUN.settings.align.chat_template,
        notice=RUN.settings.align.notice,
        code=code_of("align"),
    output:
        f"results/adapters/{RUN.settings.align.name}/card.json",
    threads: workflow.cores
    resources:
        **holding(lambda wildcards: [RUN.settings.align.base.name]),
    params:
        cfg=RUN.slice("align"),
    shell:
        "{STAGE} align --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads}"
        " base={input.base} data={input.data} template={input.template} notice={input.notice} out={output}"
