# Snakemake's own report, with captions: `make report`.
from superficial.pipeline.targets import declared_in
from superficial.views.report.entries import captioned

REPORTED = captioned(ALL)


report: os.path.abspath("results/report/overview.rst")


rule captions:
    input:
        manifest=MANIFEST,
        reads=[path.replace(".pdf", ".csv") for path in ALL],
        code=code_of("report"),
        template=str(PACKAGE / "views/report/templates/page.html"),
        views=declared_in(REPORTED),
    output:
        expand("results/report/{name}.rst", name=["overview", *REPORTED]),
        [in_report(f"results/report/{name}.html", name) for name in REPORTED if name.startswith("tables/")],
    localrule: True
    params:
        cfg=RUN.slice("report"),
    shell:
        "{STAGE} report --cfg {params.cfg:q} --runtime {RUNTIME:q} manifest={input.manifest}"
        " reads={input.reads} {input.template:q} {input.views:q} out={output}"


rule:
    name:
        "report"
    input:
        ALL,
        rules.captions.output,
    localrule: True
