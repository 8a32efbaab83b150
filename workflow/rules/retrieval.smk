# Retrieval ICL: a corpus embedded once, and its nearest examples for each instruction of a dataset.
rule embedding_model:
    input:
        code=code_of("embedding_model"),
    output:
        "results/embeddings/{embedding}/manifest.json",
    threads: HALF
    params:
        cfg=lambda wildcards: RUN.slice("embedding_model", wildcards.embedding),
    shell:
        "{STAGE} embedding_model --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} out={output}"


rule index:
    input:
        embedding=lambda wildcards: INPUTS.embedding_manifest(wildcards.index),
        source=INPUTS.corpus_source,
        code=code_of("index"),
    output:
        multiext("results/retrieval/index/{index}", ".faiss", ".parquet"),
    threads: HALF
    params:
        cfg=lambda wildcards: RUN.slice("index", wildcards.index),
    shell:
        "{STAGE} index --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads}"
        " embedding={input.embedding} source={input.source} out={output}"


rule retrieve:
    input:
        data="results/data/{dataset}.parquet",
        embedding=lambda wildcards: INPUTS.embedding_manifest(RUN.neighbours(wildcards.method).index),
        index=lambda wildcards: f"results/retrieval/index/{RUN.neighbours(wildcards.method).index}.faiss",
        corpus=lambda wildcards: f"results/retrieval/index/{RUN.neighbours(wildcards.method).index}.parquet",
        code=code_of("retrieve"),
    output:
        "results/retrieval/{dataset}/{method}.parquet",
    wildcard_constraints:
        method=r"\w+",
    threads: HALF
    params:
        cfg=lambda wildcards: RUN.slice("retrieve", wildcards.method),
    shell:
        "{STAGE} retrieve --cfg {params.cfg:q} --runtime {RUNTIME:q} --threads {threads} data={input.data}"
        " embedding={input.embedding} index={input.index} corpus={input.corpus} out={output}"
