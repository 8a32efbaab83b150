# What each method's answers look like: statistics, a table, and two figures.
from superficial.pipeline.slices import responses as answering

ANSWERS = f"results/responses_stats/{DATASET}.answers.csv"
METHODS = ["results/tables/responses.csv", "results/figures/method_failures.pdf", "results/figures/methods_example.pdf"]


rule response_stats:
    input:
        data="results/data/{dataset}.parquet",
        responses=[f"results/responses/{{dataset}}/{model}/{method}.parquet" for model, method in RUN.systems],
        models=[f"results/models/{model}/manifest.json" for model in answering.cut_models(RUN)],
        code=code_of("response_stats"),
    output:
        "results/responses_stats/{dataset}.csv",
        "results/responses_stats/{dataset}.answers.csv",
    params:
        cfg=RUN.slice("response_stats"),
    shell:
        "{STAGE} response_stats --cfg {params.cfg:q} --runtime {RUNTIME:q} data={input.data}"
        " responses={input.responses} models={input.models} out={output}"


rule:
    name:
        "tables/responses"
    input:
        stats=f"results/responses_stats/{DATASET}.csv",
        code=code_of("tables/responses"),
    output:
        multiext("results/tables/responses", ".csv", ".md", ".tex"),
    params:
        cfg=RUN.slice("responses_table"),
    shell:
        "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} stats={input.stats} out={output}"


rule:
    name:
        "figures/method_failures"
    input:
        stats=f"results/responses_stats/{DATASET}.csv",
        code=code_of("figures/method_failures"),
    output:
        drawn("method_failures"),
    params:
        cfg=RUN.slice("failures_figure"),
    shell:
        "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} stats={input.stats} out={output[0]}"


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
        drawn("methods_example"),
    params:
        cfg=RUN.slice("methods_example"),
    shell:
        "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} data={input.data}"
        " answers={input.answers} responses={input.responses} out={output[0]}"
