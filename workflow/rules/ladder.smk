# Stage ladder: the aligned responses under every stage of training. A stage is compared with the aligned model as the
# pair PAIR.STAGE, so that one more costs a scoring of the responses and a comparison, nothing else.
rule ladder:
    input:
        base="results/shifts/{dataset}/{pair}/{context}.parquet",
        stages=INPUTS.stage_tables,
        kinds="results/kinds/{dataset}/{pair}/{context}.parquet",
        data="results/data/{dataset}.parquet",
        code=code_of("ladder"),
    output:
        "results/stats/{dataset}/{pair}/{context}/ladder.csv",
    group:
        "tables"
    params:
        cfg=RUN.slice("intervals"),
    shell:
        "{STAGE} ladder --cfg {params.cfg:q} --runtime {RUNTIME:q} base={input.base} stages={input.stages}"
        " token_kinds={input.kinds} data={input.data} out={output}"
