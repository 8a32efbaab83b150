# Snakemake's own report, with captions: `make report`.
from superficial.views.report.shown import captioned

REPORTED = captioned(ALL[RUN.settings.subject])


report: os.path.abspath("results/report/overview.rst")


rule captions:
    input:
        manifest=MANIFEST,
        reads=[path.replace(".pdf", ".csv") for path in ALL[RUN.settings.subject]],
        code=code_of("report"),
        template=str(PACKAGE / "views/report/templates/page.html"),
    output:
        expand("results/report/{name}.rst", name=["overview", *REPORTED]),
        [in_report(f"results/report/{name}.html", name) for name in REPORTED if name.startswith("tables/")],
    localrule: True
    params:
        cfg=RUN.slice("report"),
    shell:
        "{STAGE} report --cfg {params.cfg:q} --runtime {RUNTIME:q} manifest={input.manifest}"
        " reads={input.reads} {input.template:q} out={output}"


rule:
    name:
        "report"
    input:
        ALL[RUN.settings.subject],
        rules.captions.output,
    localrule: True
