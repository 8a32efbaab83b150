"""The stage `figures/case_browser`: an index of the cases, and a page for each of them.

A set of pages of its own: it is about two systems and reads no token table, so that neither causes the other's.
"""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from superficial.artifacts.files import whole_folder, write_sidecar
from superficial.artifacts.markup import minus
from superficial.artifacts.table import read_table
from superficial.config.schema import RuntimeConfig
from superficial.config.schema.judge import CasesTable, Comparison
from superficial.views.browser.page import ASSETS, SHARED, environment, page_name, write_page
from superficial.views.tables.cases import Case, all_cases
from superficial.views.view import View

VIEW = View(
    category="Judged answers",
    title="Where two systems differ most, as pages",
    text="Instructions with the largest gaps between two systems, both answers, and the judge's reasons.",
    slice="cases",
    name="figures/case_browser",
    out=["results/browser/cases/index.html"],
)

OWN_ASSETS = Path(__file__).resolve().parent / "assets"


def run(cfg: CasesTable, runtime: RuntimeConfig, *, data: Path, results: Path, out: Path) -> None:
    """Write `out`, the index page, and the other pages beside it. The sidecar lies beside their folder."""
    started = time.monotonic()
    found = list(all_cases(cfg, read_table(data), results))
    write_pages(cfg, found, out.parent)
    facts = {"cases": sum(len(cases) for _, cases in found)}
    config = cfg.model_dump(mode="json")
    write_sidecar(
        out.parent, stage="figures/case_browser", config=config, inputs={"data": data}, started=started, facts=facts
    )


def write_pages(cfg: CasesTable, found: Sequence[tuple[Comparison, Sequence[Case]]], folder: Path) -> None:
    """Write all pages; cases are numbered through all comparisons. Equal cases give equal bytes."""
    pages = environment("superficial.views.cases")
    count = sum(len(cases) for _, cases in found)
    parts: list[dict[str, Any]] = []
    number = 0
    with whole_folder(folder) as site:
        (site / "assets").mkdir()
        for file in (*(ASSETS / name for name in SHARED), *sorted(OWN_ASSETS.iterdir())):
            shutil.copyfile(file, site / "assets" / file.name)
        for comparison, cases in found:
            part: dict[str, Any] = {"a": comparison.a.title, "b": comparison.b.title, "cases": []}
            for case in cases:
                number += 1
                shown = {"case": case, "points": minus(f"{case.gap:+.2f}"), "page": page_name(number)}
                part["cases"].append(shown)
                text = pages.get_template("case.html").render(
                    shown, root="", number=number, count=count, judge=cfg.judge, dataset=cfg.data,
                    previous=page_name(number - 1) if number > 1 else "",
                    next=page_name(number + 1) if number < count else "",
                )  # fmt: skip
                write_page(site / page_name(number), text)
            parts.append(part)
        text = pages.get_template("cases.html").render(root="", parts=parts, judge=cfg.judge, dataset=cfg.data)
        write_page(site / "index.html", text)
