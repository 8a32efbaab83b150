"""The pages of cases in a real Chromium, opened from disk."""

import re
from math import nan
from pathlib import Path

import pytest
from support.chromium import needs_chromium
from support.page import Page
from support.synthetic import HOSTILE, LONG

from superficial.artifacts.markup import visible
from superficial.config.schema.judge import CasesTable, Comparison
from superficial.config.schema.scores import JudgeTitle, SystemTitle
from superficial.views.cases.stage import write_pages
from superficial.views.judgment import ShownJudgment
from superficial.views.tables.cases import Case, CaseAnswer, markdown

pytestmark = pytest.mark.browser
ALL = "\n".join(HOSTILE)


def answer(system: str, text: str, **scores: float) -> CaseAnswer:
    found = {
        aspect: ShownJudgment(score, f"because {aspect}", "" if score == score else "the judge said N/A")
        for aspect, score in scores.items()
    }
    return CaseAnswer(system, text, found)


def cases() -> tuple[CasesTable, list[tuple[Comparison, list[Case]]]]:
    titles = [SystemTitle(name=f"m.{name}", title=title) for name, title in (("a", "One, K = 3"), ("b", HOSTILE[0]))]
    comparisons = [Comparison(name=f"c{number}", a=titles[0], b=titles[1]) for number in range(3)]
    cfg = CasesTable(
        dataset="tiny", judge=JudgeTitle(name="j", title=HOSTILE[1], caveat=ALL), comparisons=comparisons, cases=2
    )
    plain = Case(
        "moon", "How far is it?", 1.5,
        (answer("One, K = 3", "Far away.", helpfulness=4.5, depth=2), answer("Two", "No.", helpfulness=1, depth=nan)),
    )  # fmt: skip
    reason = {"safety": ShownJudgment(1.0, ALL, ""), "clarity": ShownJudgment(nan, ALL, HOSTILE[0])}
    hostile = Case(
        HOSTILE[0],
        ALL,
        -2.0,
        (CaseAnswer(HOSTILE[1], ALL, reason), CaseAnswer(HOSTILE[2], LONG, {"safety": ShownJudgment(3.0, LONG, "")})),
    )
    return cfg, [(comparisons[0], [plain, hostile]), (comparisons[1], []), (comparisons[2], [plain])]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases") / "browser/cases"
    write_pages(*cases(), folder)
    return folder


def test_pages_hold_no_markup_of_the_texts_and_are_the_same_twice(site: Path, tmp_path: Path) -> None:
    write_pages(*cases(), tmp_path / "again")
    files = {str(file.relative_to(site)): file.read_bytes() for file in site.rglob("*") if file.is_file()}
    assert set(files) == {
        "index.html", "0001.html", "0002.html", "0003.html",
        "assets/browser.css", "assets/cases.css", "assets/cases.js", "assets/common.js",
    }  # fmt: skip
    assert files == {
        str(file.relative_to(tmp_path / "again")): file.read_bytes()
        for file in (tmp_path / "again").rglob("*") if file.is_file()
    }  # fmt: skip
    for name, content in files.items():
        if name.endswith(".html"):
            text = content.decode()
            assert len(re.findall("<script", text)) == text.count("</script>") == 2
            assert not re.search(
                r"<(img|iframe)|\son\w+=\"|\sstyle=|href=\"(?!assets/|\d{4}\.html|(\.\./)?index\.html|#main|data:,)",
                text,
            )
            assert "default-src 'none'" in text


def test_nothing_to_show_says_why(tmp_path: Path) -> None:
    cfg, _ = cases()
    write_pages(cfg.model_copy(update={"comparisons": []}), [], tmp_path / "cases")
    assert "its judge gives no\nscores" in (tmp_path / "cases/index.html").read_text()
    assert "its judge gives no scores" in markdown(cfg, [])


def test_markdown_holds_the_same_cases() -> None:
    text = markdown(*cases())
    text.encode()
    assert text.count("### moon: +1.50 points") == 2
    assert "- depth unscored (the judge said N/A): because depth" in text
    assert "- helpfulness 4.5: because helpfulness" in text
    assert text.count("No instruction was scored for both.") == 1


@needs_chromium
def test_the_index_leads_to_the_cases_and_keys_go_on(page: Page) -> None:
    page.open("index.html")
    assert page.text("h2") == f"One, K = 3 against {HOSTILE[0]}"
    assert [link.get_dom_attribute("href") for link in page.all(".list a")] == ["0001.html", "0002.html", "0003.html"]
    assert "+1.50 points" in page.text(".list li")
    page.follow(page.one(".list a").click)
    assert page.text("h1") == "Case moon"
    page.press("[")
    assert page.text("h1") == "Case moon"
    page.follow(lambda: page.press("]"))
    assert page.text("h1") == f"Case {HOSTILE[0]}"
    page.follow(page.one("#next").click)
    assert page.text("nav .quiet") == "3 of 3"
    page.press("]")
    page.follow(lambda: page.press("["))
    assert page.text("nav .quiet") == "2 of 3"
    page.follow(page.one("a.site").click)
    assert page.text("h1") == "Where two systems differ most"


@needs_chromium
def test_a_case_shows_both_answers_with_scores_and_reasons(page: Page) -> None:
    page.open("0001.html")
    assert [node.text for node in page.all(".quote")] == ["How far is it?", "Far away.", "No."]
    found = [" ".join(node.text.split()) for node in page.all(".verdicts p")]
    assert found == [
        "One, K = 3: 4.5 (the higher score) because helpfulness", "Two: 1 because helpfulness",
        "One, K = 3: 2 because depth", "Two: unscored (the judge said N/A) because depth",
    ]  # fmt: skip
    assert "+1.50 points for One, K = 3 against Two" in " ".join(page.text("main p").split())
    boxes = [node.rect for node in page.all(".sides .quote")]
    assert boxes[0]["y"] == boxes[1]["y"]  # beside each other


@needs_chromium
def test_hostile_cases_are_shown_and_never_run(page: Page) -> None:
    page.open("0002.html")
    page.wait(lambda: bool(page.all(".quote")))
    texts = [str(node.get_property("textContent")) for node in page.all(".quote")]
    assert texts == [visible(ALL), visible(ALL), LONG]
    assert [node.get_property("textContent") for node in page.all("h3 bdi")] == [
        visible(HOSTILE[1]),
        visible(HOSTILE[2]),
    ]
    assert visible(ALL) in page.text(".verdicts")
    page.open("index.html")
    assert visible(ALL) in page.text("main strong")
    assert page.run("return window.hacked") is None
    assert page.all("img, iframe, main script") == []


@needs_chromium
@pytest.mark.parametrize("name", ["index.html", "0001.html", "0002.html"])
def test_cases_fit_a_phone_and_both_themes(page: Page, name: str) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = page.open(name, width=400).run(paper)
    wide = page.run("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide[0] <= wide[1] <= 400
    assert page.open(name, width=400, dark=True).run(paper) != light
    for control in page.all("button, a[href]"):
        if control.is_displayed():
            assert control.accessible_name
    page.one("#theme").click()
    assert page.run(paper) == light
    page.run("localStorage.clear()")
