# What each method's answers look like.
from superficial.pipeline.slices import responses as answering

ANSWERS = f"results/responses_stats/{DATASET}.answers.csv"


rule response_stats:
    input:
        data="results/data/{dataset}.parquet",
        responses=[f"results/responses/{{dataset}}/{model}/{method}.parquet" for model, method in RUN.systems],
        models=[f"results/models/{model}/manifest.json" for model in answering.cut_models(RUN)],
        code=code_of("response_stats"),
    output:
        "results/responses_stats/{dataset}.csv",
        "results/responses_stats/{dataset}.answers.csv",
    group:
        "tables"
    params:
        cfg=RUN.slice("response_stats"),
    shell:
        "{STAGE} response_stats --cfg {params.cfg:q} --runtime {RUNTIME:q} data={input.data}"
        " responses={input.responses} models={input.models} out={output}"


rule:
    name:
        "figures/methods_example"
    input:
        data=f"results/data/{DATASET}.parquet",
        answers=ANSWERS,
        responses=[
            f"results/responses/{DATASET}/{model}/{method}.parquet" for model, method in answering.example_systems(RUN)
        ],
        code=code_of("figures/methods_example"),
    output:
        forms("figures/methods_example"),
    group:
        "drawings"
    params:
        cfg=RUN.slice("methods_example"),
    shell:
        "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} data={input.data}"
        " answers={input.answers} responses={input.responses} out={output[0]}"
