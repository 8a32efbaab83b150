# Figures: each is a target of its own and reads tidy tables only, so a colour never reruns a model.
SHIFTS = f"results/shifts/{DATASET}/{{pair}}/{CONTEXT}.parquet"
KINDS = f"results/kinds/{DATASET}/{{pair}}/{CONTEXT}.parquet"
STATS = f"results/stats/{DATASET}/{{pair}}/{CONTEXT}"
FIGURES = {
    "shift_example": [f"results/data/{DATASET}.parquet", SHIFTS, KINDS, f"{STATS}/ratios.csv", f"{STATS}/tokens.csv"],
    "shift_ratio": [f"{STATS}/ratios.csv", f"{STATS}/tokens.csv"],
    "shift_by_position": [f"{STATS}/positions.csv", f"{STATS}/summary.csv"],
    "shift_by_topic": [f"{STATS}/groups.csv"],
    "shift_by_kind": [f"{STATS}/kinds.csv", f"{STATS}/summary.csv", "results/stats/kinds_agreement.csv"],
    "prefix_handoff": [f"{STATS}/handoff.csv"],
    "urial_recovery": [f"{STATS}/recovery.csv"],
    "entropy": [f"{STATS}/entropy.csv"],
}
SLICE = {"urial_recovery": "contexts_figure", "entropy": "contexts_figure"}  # of the configuration, else "figure"

for figure, tables in FIGURES.items():

    rule:
        name:
            f"figures/{figure}"
        input:
            expand(tables, pair=PAIRS),
            code=code_of(f"figures/{figure}"),
        output:
            multiext(f"results/figures/{figure}", ".pdf", ".png", ".svg", ".csv"),
        params:
            cfg=RUN.slice(SLICE.get(figure, "figure")),
        shell:
            "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} results=results out={output[0]}"
