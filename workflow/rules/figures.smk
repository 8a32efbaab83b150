# Figures and tables: each is a target of its own and reads tidy tables only, so a colour never reruns a model.
# What they read stands in their modules (src/superficial/views/). Who reads anything else has a rule of its own.
from superficial.pipeline.targets import drawn_views, files_of, stage_arguments
from superficial.views.declared import declared
from superficial.views.report.entries import report_entry

VIEWS = {name: one.view for name, one in declared().items()}


def in_report(path, name):
    # Captions are made by the rule `captions` and read when Snakemake writes its report.
    one, caption = report_entry(name), os.path.abspath(f"results/report/{name}.rst")
    return report(path, caption=caption, category=one.category, labels={"result": one.title})


def forms(name):
    # A report shows the SVG of what `figures/all` makes.
    view = VIEWS[name]
    return [in_report(path, name) if view.part_of and path.endswith(".svg") else path for path in view.out]


for target, view in drawn_views("figures").items():

    rule:
        name:
            target
        input:
            **files_of(view, RUN),
            code=code_of(target),
        output:
            forms(target),
        group:
            "drawings"
        params:
            cfg=RUN.slice(view.slice),
            files=stage_arguments,
        shell:
            "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} {params.files} out={output[0]}"


for target, view in drawn_views("tables").items():

    rule:
        name:
            target
        input:
            **files_of(view, RUN),
            code=code_of(target),
        output:
            view.out,
        group:
            "drawings"
        params:
            cfg=RUN.slice(view.slice),
            files=stage_arguments,
        shell:
            "{STAGE} {rule} --cfg {params.cfg:q} --runtime {RUNTIME:q} {params.files} out={output}"
