# Scores: what a judge said, in one table. experiment=published shows the published judgments in the same way.
from superficial.pipeline.slices.registry import judged_view

JUDGE = judged_view(RUN).judge.name
ANSWERED = [f"{model}/{method}" for model, method in RUN.systems]
# Whose scores: files of judgments and of responses, in one order.
SCORED = {
    "models": [
        [f"results/judgments/{DATASET}/{JUDGE}/{system}.parquet" for system in ANSWERED],
        [f"results/responses/{DATASET}/{system}.parquet" for system in ANSWERED],
    ],
    "published": [[JUDGED_PUBLISHED], [f"{PUBLISHED}/responses.parquet"]],
}[RUN.settings.subject]


rule judged:
    input:
        judgments=SCORED[0],
        responses=SCORED[1],
        data=f"results/data/{DATASET}.parquet",
        code=code_of("judged"),
    output:
        f"results/judged/{DATASET}/{JUDGE}.csv",
    group:
        "tables"
    params:
        cfg=RUN.slice("judged"),
    shell:
        "{STAGE} judged --cfg {params.cfg:q} --runtime {RUNTIME:q} judgments={input.judgments}"
        " responses={input.responses} data={input.data} out={output}"
