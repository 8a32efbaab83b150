# The paper's own prompts. Where they come from decides nothing (their hashes are checked), so the folder is no param.
PROMPT_DIR = RUN.settings.prompt_dir or ""


rule published_prompt:
    input:
        code=code_of("published_prompt"),
    output:
        "results/prompts/published/{file}",
    wildcard_constraints:
        file=r"\w+\.txt",
    params:
        cfg=lambda wildcards: RUN.slice("published_prompt", wildcards.file),
    shell:
        "{STAGE} published_prompt --cfg {params.cfg:q} --runtime {RUNTIME:q} folder={PROMPT_DIR:q} out={output}"
