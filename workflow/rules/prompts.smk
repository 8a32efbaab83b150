# The paper's own prompts, and examples that are looked up: a corpus embedded once, its nearest for each instruction.
PROMPT_DIR = RUN.settings.prompt_dir or ""


# Where the files come from decides nothing (their hashes are checked), so the folder is no param.
rule published_prompt:
    input:
        code=code_of("published_prompt"),
    output:
        "results/prompts/published/{file}",
    log:
        "results/logs/prompts/{file}.log",
    wildcard_constraints:
        file=r"\w+\.txt",
    params:
        cfg=lambda wildcards: RUN.slice("published_prompt", wildcards.file),
    shell:
        stage() + " folder={PROMPT_DIR:q} out={output}"


rule embedding_model:
    input:
        code=code_of("embedding_model"),
    output:
        "results/embeddings/{embedding}/manifest.json",
    log:
        "results/logs/embeddings/{embedding}.log",
    threads: HALF
    params:
        cfg=lambda wildcards: RUN.slice("embedding_model", wildcards.embedding),
    shell:
        stage() + " out={output}"


rule index:
    input:
        embedding=lambda wildcards: INPUTS.embedding_manifest(wildcards.index),
        source=INPUTS.corpus_source,
        code=code_of("index"),
    output:
        multiext("results/retrieval/index/{index}", ".faiss", ".parquet"),
    log:
        "results/logs/retrieval/index/{index}.log",
    threads: HALF
    params:
        cfg=lambda wildcards: RUN.slice("index", wildcards.index),
    shell:
        stage() + " embedding={input.embedding} source={input.source} out={output}"


rule retrieve:
    input:
        data="results/data/{dataset}.parquet",
        embedding=lambda wildcards: INPUTS.embedding_manifest(RUN.neighbours(wildcards.method).index),
        index=lambda wildcards: f"results/retrieval/index/{RUN.neighbours(wildcards.method).index}.faiss",
        corpus=lambda wildcards: f"results/retrieval/index/{RUN.neighbours(wildcards.method).index}.parquet",
        code=code_of("retrieve"),
    output:
        "results/retrieval/{dataset}/{method}.parquet",
    log:
        "results/logs/retrieval/{dataset}/{method}.log",
    wildcard_constraints:
        method=r"\w+",
    threads: HALF
    params:
        cfg=lambda wildcards: RUN.slice("retrieve", wildcards.method),
    shell:
        stage() + " data={input.data} embedding={input.embedding} index={input.index} corpus={input.corpus}"
        " out={output}"
