"""The page that a run ends with: what was made is on it, and nothing else."""

import re
from pathlib import Path

from markupsafe import escape
from support.made import make_results

from superficial.config.schema import ReportedPair, ReportStage, RuntimeConfig
from superficial.views.declared import declared
from superficial.views.index.stage import index, run

CFG = ReportStage(pairs=[ReportedPair(title="A → <b>B</b>", reference=None)], token_shift=[])


def links(page: str) -> list[str]:
    return re.findall(r'(?:href|src)="(?!data:)([^"]*)"', page)


def test_every_result_is_listed_with_all_of_its_files(tmp_path: Path):
    made = make_results(tmp_path, declared())
    page = index(CFG, made, tmp_path)
    for name, one in declared().items():
        assert str(escape(one.title)) in page, name
        assert {str(Path(path).relative_to("results")) for path in one.view.out} <= set(links(page)), name
    assert [link for link in links(page) if not (tmp_path / link).is_file()] == []
    assert page.count("<article>") == len(declared())
    assert "A → &lt;b&gt;B&lt;/b&gt;" in page
    assert set(re.findall(r"<script[^>]*>", page)) == {"<script>"}
    assert page.count("<script>") == 1


def test_the_paper_s_figures_come_first_in_the_paper_s_order(tmp_path: Path):
    page = index(CFG, make_results(tmp_path, declared()), tmp_path)
    section = page.split("<h2>Token distribution shift</h2>")[1].split("<h2>")[0]
    order = re.findall(r'<li class="quiet">figures/(\w+)</li>', section)
    assert order[:3] == ["shift_example", "shift_ratio", "shift_by_position"]


def test_what_was_not_made_is_not_there(tmp_path: Path):
    page = index(CFG, make_results(tmp_path, ["figures/shift_ratio"]), tmp_path)
    assert page.count("<article>") == 1
    assert "report.html" not in page
    assert "browser/index.html" not in page


def test_the_report_is_linked_once_it_was_made_and_equal_results_give_equal_pages(tmp_path: Path):
    made = [*make_results(tmp_path, ["figures/shift_ratio", "tables/scores"]), tmp_path / "report.html"]
    made[-1].write_text("report")
    for name in ("index.html", "again.html"):
        run(CFG, RuntimeConfig.model_construct(), made=made, out=tmp_path / name)
    assert (tmp_path / "index.html").read_bytes() == (tmp_path / "again.html").read_bytes()
    assert "report.html" in links((tmp_path / "index.html").read_text())
