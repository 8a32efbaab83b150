# Scores: a table and figures of what a judge said. experiment=published shows the published judgments in the same way.
from superficial.pipeline.slices.registry import judged_view

JUDGE = judged_view(RUN).judge.name
JUDGED = f"results/judged/{DATASET}/{JUDGE}.csv"
ANSWERED = [f"{model}/{method}" for model, method in RUN.systems]
# Whose scores: files of judgments and of responses, in one order.
SCORED = {
    "models": [
        [f"results/judgments/{DATASET}/{JUDGE}/{system}.parquet" for system in ANSWERED],
        [f"results/responses/{DATASET}/{system}.parquet" for system in ANSWERED],
    ],
    "published": [[JUDGED_PUBLISHED], [f"{PUBLISHED}/responses.parquet"]],
}[RUN.settings.subject]
SCORES = ["results/tables/scores.csv", "results/figures/aspects_radar.pdf", "results/figures/tasks_topics_radar.pdf"]


rule judged:
    input:
        judgments=SCORED[0],
        responses=SCORED[1],
        data=f"results/data/{DATASET}.parquet",
        code=code_of("judged"),
    output:
        JUDGED,
    params:
        cfg=RUN.slice("judged"),
    shell:
        "{STAGE} judged --cfg {params.cfg:q} --runtime {RUNTIME:q} judgments={input.judgments}"
        " responses={input.responses} data={input.data} out={output}"


rule:
    name:
        "tables/scores"
    input:
        judged=JUDGED,
        code=code_of("tables/scores"),
    output:
        multiext("results/tables/scores", ".csv", ".md", ".tex"),
    params:
        cfg=RUN.slice("scores_table"),
    shell:
        "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} judged={input.judged} out={output}"


for figure in ("aspects_radar", "tasks_topics_radar"):

    rule:
        name:
            f"figures/{figure}"
        input:
            judged=JUDGED,
            code=code_of(f"figures/{figure}"),
        output:
            drawn(figure),
        params:
            cfg=RUN.slice("judged_figure"),
        shell:
            "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} judged={input.judged} out={output[0]}"
