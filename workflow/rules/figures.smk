# Figures: each is a target of its own and reads tidy tables only, so a colour never reruns a model.
from superficial.views.report.shown import shown

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
    "safety_depth": [f"{STATS}/safety_depth.csv", f"{STATS}/prefill.csv", "results/stats/refusals_agreement.csv"],
}
BEYOND = {  # no part of figures/all
    "causal_swap": [f"{STATS}/causal.csv"],  # both models decode at once
    "stage_ladder": [f"{STATS}/ladder.csv"],  # further models
    "byte_spans": [f"{STATS}/spans.csv"],  # for pairs of which figures/all can say nothing
    "prompt_search": [f"{STATS}/prompt_search.csv", f"{STATS}/prompt_search_trace.csv"],  # some thirty scorings
}
# Of the configuration; else "figure".
SLICE = {
    "shift_ratio": "ratio_figure",
    "urial_recovery": "contexts_figure",
    "entropy": "contexts_figure",
    "stage_ladder": "ladder_figure",
    "causal_swap": "causal_figure",
    "prompt_search": "search_figure",
}


def in_report(path, name):
    # Captions are made by the rule `captions` and read when Snakemake writes its report.
    one, caption = shown(name), os.path.abspath(f"results/report/{name}.rst")
    return report(path, caption=caption, category=one.category, labels={"result": one.title})


def drawn(figure):
    pdf, png, svg, csv = multiext(f"results/figures/{figure}", ".pdf", ".png", ".svg", ".csv")
    return [pdf, png, svg if figure in BEYOND else in_report(svg, f"figures/{figure}"), csv]


for figure, tables in (FIGURES | BEYOND).items():

    rule:
        name:
            f"figures/{figure}"
        input:
            reads=expand(tables, pair=PAIRS),
            code=code_of(f"figures/{figure}"),
        output:
            drawn(figure),
        params:
            cfg=RUN.slice(SLICE.get(figure, "figure")),
        shell:
            "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} results=results"
            " reads={input.reads} out={output[0]}"
