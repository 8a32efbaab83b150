"""Further contexts of the base, and what a judge said, in the shift browser; in a real Chromium."""

from pathlib import Path

import pytest
from support.chromium import needs_chromium
from support.page import Page
from support.synthetic import HOSTILE, LONG, Made, example, further, stage

from superficial.artifacts.markup import visible
from superficial.config.schema import JudgeTitle
from superficial.views.browser.payload import BrowserExample
from superficial.views.browser.site import write_site
from superficial.views.judgment import ShownJudgment

pytestmark = [pytest.mark.browser, needs_chromium]

TOKENS = [("The", 1), (" moon", 4), (" is", 2), (" far", 1), (" away", 25), (".", 1)]
#         shifted: 2 and 5 (counted from 1); unshifted: 1, 4 and 6
UNDER = {
    "URIAL": [2, 1, 1, 1, 3, 1],  # recovers 2, loses 1
    "Vanilla": [1, 1, 9, 7, 1, 4],  # recovers 2 and 5, loses 4 and 6
    "Three": [1, 4, 2, 1, 25, 1],
    "Four, with a title that is rather longer than the others are": [1, 4, 2, 1, 25, 1],
    "Five": [9, 9, 9, 9, 9, 9],
    "Six": [1, 1, 1, 1, 1, 1],
}
NAN = float("nan")
SAID = {
    "helpfulness": ShownJudgment(4.25, "It says how far.\nAnd no more.", ""),
    "depth": ShownJudgment(NAN, "", "the judge said N/A"),
}
JUDGE = JudgeTitle(name="judge", title="A judge", caveat="Too small to be believed.")
ALL = "\n".join(HOSTILE)


def seen(count: int, name: str = "moon", **changes: object) -> BrowserExample:
    """An example with so many further contexts."""
    others = [further(TOKENS, ranks, f"{title}: {name}") for title, ranks in list(UNDER.items())[:count]]
    return example(name, TOKENS, further=others, **changes)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders with 0, 2 and 6 further contexts, and one in which everything is hostile."""
    folder = tmp_path_factory.mktemp("sites")
    for count in (0, 2, 6):
        titles, judge = list(UNDER)[:count], JUDGE if count else None
        calm = example("calm", [("Yes", 1)], further=[further([("Yes", 1)], [1])] * count)
        examples = [seen(count, judgments=SAID if count else {}), calm, seen(count, "sun")]
        pairs = {"one": Made(examples), "two": Made([seen(count)])}
        write_site(stage("one", "two", contexts=titles, judge=judge), pairs, folder / str(count))
    tokens = [(text, 5) for text in HOSTILE]
    other = further(tokens, [1] * len(tokens), ALL)
    said = {HOSTILE[0]: ShownJudgment(2, ALL, ""), HOSTILE[1]: ShownJudgment(NAN, LONG, ALL)}
    judge = JudgeTitle(name="judge", title=HOSTILE[0], caveat=HOSTILE[1])
    hostile = example("hostile", tokens, further=[other, other], judgments=said)
    write_site(stage("one", contexts=HOSTILE[:2], judge=judge), {"one": Made([hostile])}, folder / "hostile")
    return folder


def marks(page: Page) -> dict[str, list[int]]:
    """Positions, from 1, of the tokens that are marked; seen in what stands after them, not in their names only."""
    script = (
        "return [...document.querySelectorAll('#response a')].map((link) => [getComputedStyle(link, '::after').content,"
        " getComputedStyle(link, '::after').backgroundColor, link.getAttribute('aria-label')])"
    )
    found: dict[str, list[int]] = {"recovered": [], "lost": []}
    for number, (content, _, label) in enumerate(page.run(script), start=1):
        state = {"none": "", '"✓" / ""': "recovered", '"✗" / ""': "lost"}[content]
        assert not state or label.endswith(f", {state}")
        if state:
            found[state].append(number)
    return found


def press(page: Page, title: str) -> None:
    page.one(f"#recovery button:nth-of-type({1 + ['none', *UNDER].index(title)})").click()


@pytest.mark.parametrize("count", [0, 2, 6])
def test_every_context_has_a_row_and_a_column(page: Page, count: int) -> None:
    page.open(f"{count}/pairs/one/0001.html#t5")
    titles = [f"Base, {title}" for title in ["Zero-shot", *list(UNDER)[:count]]] + ["Aligned"]
    assert [node.text for node in page.all(".views caption")] == titles
    rows = [
        [cell.text for cell in row.find_elements("css selector", "th, td")] for row in page.all(".overview tbody tr")
    ]
    assert [row[0].removesuffix(" ✓") for row in rows[:2]] == ["Base, Zero-shot shifted", f"{titles[1]} marginal"][: 1 + count] + (
        ["Aligned"] if not count else []
    )  # fmt: skip
    assert [row[1] for row in rows] == ["25", *[str(ranks[4]) for ranks in list(UNDER.values())[:count]], "1"]
    assert [row[4] for row in rows[:-1]] == [f"{0.25 * int(row[1]):.3f}" for row in rows[:-1]]
    for number, table in enumerate(page.all(".views table")):
        emitted = table.find_element("css selector", ".emitted")
        assert emitted.text.split()[:2] == [rows[number][1], "␣away"]
    assert [node.get_property("textContent") for node in page.all("#contexts summary")] == [
        f"{title} (Model {'aligned' if title == 'Aligned' else 'base'})" for title in titles
    ]
    assert [node.get_property("textContent") for node in page.all("#contexts pre")][1:-1] == [
        f"{title}: moon" for title in list(UNDER)[:count]
    ]
    assert page.one("#recovery").is_displayed() == (count > 0)


@pytest.mark.parametrize("width", [400, 1000, 1200, 1900])
@pytest.mark.parametrize("count", [2, 6])
def test_columns_wrap_and_never_leave_the_window(page: Page, count: int, width: int) -> None:
    page.open(f"{count}/pairs/one/0001.html#t5", width=width)
    press(page, "Vanilla")
    boxes = [table.rect for table in page.all(".views table")]
    lines = {box["y"] for box in boxes}
    side_by_side = {400: 1, 1000: 4, 1200: 2, 1900: 4}[width]
    assert len(lines) == -(-len(boxes) // side_by_side)
    assert min(box["width"] for box in boxes) >= 199
    right = (
        "return Math.max(...[...document.querySelectorAll('main *')].map((node) => node.getBoundingClientRect().right))"
    )
    assert page.run(right) <= page.run("return document.documentElement.clientWidth") <= width


def test_recovered_and_lost_tokens_are_marked_and_counted(page: Page) -> None:
    page.open("6/pairs/one/0001.html")
    assert marks(page) == {"recovered": [], "lost": []}
    assert page.text("#moved") == ""
    assert not page.one("#strip-other").is_displayed()
    for title, expected in {
        "URIAL": {"recovered": [2], "lost": [1]}, "Vanilla": {"recovered": [2, 5], "lost": [4, 6]},
        "Three": {"recovered": [], "lost": []}, "Five": {"recovered": [], "lost": [1, 4, 6]},
        "Six": {"recovered": [2, 5], "lost": []}, "none": {"recovered": [], "lost": []},
    }.items():  # fmt: skip
        press(page, title)
        assert marks(page) == expected
        pressed = page.all("#recovery [aria-pressed=true]")
        assert [button.text for button in pressed] == [title]
        counts = " ".join(page.text("#moved").replace("\u00a0", " ").split())
        if title == "none":
            assert counts == ""
            continue
        kept, lost = len(expected["recovered"]), len(expected["lost"])
        assert counts.startswith(f"recovered {kept} of 2 shifted ({kept / 2:.1%}".replace("%", " %"))
        assert f"lost {lost} of 3 unshifted ({lost / 3:.1%}".replace("%", " %") in counts
    press(page, "Vanilla")
    kinds = [cell.get_dom_attribute("class") for cell in page.all("#strip-other span")]
    assert kinds == ["unshifted", "unshifted", "shifted", "shifted", "unshifted", "shifted"]
    assert page.text("#strip-name") == "Above Zero-shot, below Vanilla"
    page.all("#strip-other span")[4].click()
    assert page.chosen() == "#t5"
    assert page.text("#sentence").endswith("Under Vanilla it is the first choice (0.500): recovered.")
    # Told apart without colour: by the sign, and one is filled, the other one is not.
    ink = "return getComputedStyle(document.querySelector('#response .{}'), '::after').backgroundColor"
    assert page.run(ink.format("recovered")) != page.run(ink.format("lost"))
    assert page.text("#response").startswith("The moon is far away.")  # no sign is part of the text


def test_a_context_is_chosen_by_keys_and_stays_from_page_to_page(page: Page) -> None:
    page.open("2/pairs/one/0001.html")
    page.press("r")
    assert page.chosen() is None  # nothing is marked yet
    page.press("c", "c")
    assert marks(page) == {"recovered": [2, 5], "lost": [4, 6]}
    for key, expected in [("r", "#t2"), ("r", "#t5"), ("r", "#t5"), ("l", "#t6")]:
        page.press(key)
        assert page.chosen() == expected
    page.press("l")
    assert page.text("#sentence") == "No lost token after this one."
    page.follow(lambda: page.press("]"))
    assert page.text("h1") == "Example calm"
    assert "recovered 0 of 0 shifted now" in " ".join(page.text("#moved").split())
    page.follow(page.one("#next").click)
    assert marks(page) == {"recovered": [2, 5], "lost": [4, 6]}
    page.follow(page.driver.refresh)
    assert marks(page) == {"recovered": [2, 5], "lost": [4, 6]}
    page.press("c")
    assert marks(page) == {"recovered": [], "lost": []}
    page.open("0/pairs/one/0001.html").press("c", "r", "l")
    assert page.chosen() is None
    assert not page.one("#keys").is_displayed() or not page.all(".of-contexts")[0].is_displayed()
    page.open("2/pairs/one/0001.html#context=c1")
    page.follow(page.one("#elsewhere a").click)
    assert "/pairs/two/" in page.driver.current_url
    assert marks(page) == {"recovered": [2], "lost": [1]}
    assert marks(page.open("2/pairs/one/0001.html#context=gone")) == {"recovered": [], "lost": []}


def test_the_index_sorts_and_filters_by_what_is_recovered(page: Page) -> None:
    page.open("2/index.html")
    assert page.one("#recovered-field").get_property("disabled")
    page.select("context", "Vanilla")
    assert "100.0\u00a0%" in page.text("#examples li")
    assert "4 of 4 shifted recovered (100.0\u00a0%), 4 of 7 unshifted lost (57.1\u00a0%)" in page.text("#status")
    page.select("context", "URIAL")
    assert "1 of 2 shifted recovered (50.0\u00a0%), 1 of 3 unshifted lost (33.3\u00a0%)" in page.text("#examples li")
    assert "0 of 0 shifted recovered, 0 of 1 unshifted lost (0.0\u00a0%)" in page.text("#examples li:nth-child(2)")
    page.select("sort", "most recovered")
    assert page.listed() == ["1", "3", "2"]
    page.fill("least", "50")
    assert page.listed() == ["1", "3"]
    page.fill("most", "49")
    assert page.listed() == []
    page.wait(lambda: "most=49" in page.driver.current_url)
    page.select("context", "none")  # without a context there is nothing to sort or filter by
    assert page.listed() == ["1", "2", "3"]
    assert page.text("#examples li:nth-child(2) .numbers .quiet") == ""
    page.open("2/index.html#context=c1&sort=recovered&least=10")
    assert page.listed() == ["1", "3"]
    page.follow(page.one("#examples a").click)
    assert marks(page) == {"recovered": [2], "lost": [1]}
    page.follow(page.one("a.site").click)
    assert page.listed() == ["1", "3"]
    page.open("0/index.html")
    assert not page.one("#context-field").is_displayed()
    assert not page.one("#recovered-field").is_displayed()


def test_what_the_judge_said_stands_beside_the_response(page: Page) -> None:
    page.open("2/pairs/one/0001.html")
    assert page.text("#judge") == "Judge: A judge. Scores from 1 to 5. Too small to be believed."
    assert [node.text for node in page.all("#judgments dt")] == [
        "helpfulness 4.25", "depth unscored (the judge said N/A)",
    ]  # fmt: skip
    assert [node.get_property("textContent") for node in page.all("#judgments dd")] == [SAID["helpfulness"].reason, ""]
    response, judged = (page.one(selector).rect for selector in ("#response", "#judged"))
    assert judged["x"] >= response["x"] + response["width"]
    assert judged["y"] <= response["y"]
    page.open("2/pairs/one/0001.html", width=400)
    response, judged, more = (page.one(selector).rect for selector in ("#response", "#judged", "#contexts"))
    assert response["y"] < judged["y"] < more["y"]
    assert page.open("2/pairs/one/0002.html").text("#judgments") == "This response was not judged."
    assert not page.open("0/pairs/one/0001.html").one("#judged").is_displayed()


def test_hostile_reasons_titles_and_candidates_are_shown_and_never_run(page: Page) -> None:
    page.open("hostile/pairs/one/0001.html#context=c1", width=400)
    assert page.text("#judge") == f"Judge: {HOSTILE[0]}. Scores from 1 to 5. {HOSTILE[1]}"
    assert [node.get_property("textContent") for node in page.all("#judgments dd")] == [visible(ALL), LONG]
    assert page.text("#judgments div:nth-child(2) dt") == f"{HOSTILE[1]} unscored ({visible(ALL)})"
    assert [button.text for button in page.all("#recovery button")][1:] == HOSTILE[:2]
    for text in HOSTILE:
        page.press("r")
        assert page.text("table.further .emitted .chip") == visible(text).replace(" ", "␣")
        assert visible(HOSTILE[0]) in page.text("#sentence")
    for details in page.all("#contexts details"):
        page.run(f"document.querySelectorAll('details')[{page.all('details').index(details)}].open = true")
    assert page.all("pre")[1].get_property("textContent") == visible(ALL)
    right = (
        "return Math.max(...[...document.querySelectorAll('main *')].map((node) => node.getBoundingClientRect().right))"
    )
    assert page.run(right) <= 400
    page.open("hostile/index.html").select("context", HOSTILE[0])
    assert "recovered (100.0\u00a0%)" in page.text("#status")
    assert page.run("return window.hacked") is None
    assert page.all("img, iframe, main script") == []
