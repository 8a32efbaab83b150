"""The shift browser in a real Chromium, opened from disk."""

from pathlib import Path

import pytest
from selenium.common.exceptions import JavascriptException
from selenium.webdriver.common.keys import Keys
from support.chromium import needs_chromium
from support.page import Page
from support.synthetic import HOSTILE, LONG, Made, example, stage

from superficial.artifacts.markup import visible
from superficial.views.browser.site import write_site

pytestmark = [pytest.mark.browser, needs_chromium]

# Shifted at 2, 5 and 9 (counted from 1); two lines.
TOKENS = [
    ("The", 1), (" moon", 4), (" is", 2), (" far", 1), (" away", 25), (".", 1), ("⏎", 3), (" It", 1), (" shines", 900),
    (".", 1),
]  # fmt: skip
CALM = [("Yes", 1), (".", 1)]
UNSAFE = [("I", 9), (" cannot", 7)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "browser"
    tokens = [(text, 5) for text in HOSTILE]
    hostile = example(
        HOSTILE[0], tokens, instruction="\n".join(HOSTILE), tasks=[HOSTILE[1]], topics=["topic"], subset=HOSTILE[2],
        contexts={"base": "\n".join(HOSTILE), "aligned": LONG},
    )  # fmt: skip
    first = [
        example("moon", TOKENS),
        example("calm", CALM, tasks=["coding"], topics=["stem"], finish_reason="length"),
        example("unsafe", UNSAFE, category="safety", tasks=["writing"], topics=["ethics"]),
        hostile,
        example("long", [(LONG, 5), ("⏎", 1), (LONG, 1)], instruction=LONG),
    ]
    write_site(stage("one", "two"), {"one": Made(first), "two": Made([example("other", CALM), first[2]])}, folder)
    return folder


def test_index_lists_all_examples_with_their_shares(page: Page) -> None:
    page.open("index.html")
    assert page.listed() == ["1", "2", "3", "4", "5"]
    assert "5 of 5 examples, 27 tokens" in page.text("#status")
    assert "30.0\u00a0% shifted of 10 tokens" in page.text("#examples li")
    page.follow(page.one("#examples a").click)
    assert page.text("h1") == "Example moon"


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("task", "coding", ["2"]),
        ("topic", "ethics", ["3"]),
        ("category", "safety", ["3"]),
        ("category", "all", ["1", "2", "3", "4", "5"]),
        ("sort", "most shifted", ["3", "4", "5", "1", "2"]),
        ("sort", "least shifted", ["2", "1", "5", "3", "4"]),
        ("sort", "shortest response", ["2", "3", "5", "1", "4"]),
        ("sort", "highest mean KL", ["1", "3", "4", "5", "2"]),
    ],
)
def test_choosing_on_the_index(page: Page, field: str, value: str, expected: list[str]) -> None:
    page.open("index.html").select(field, value)
    assert page.listed() == expected


def test_search_and_share_narrow_the_index(page: Page) -> None:
    page.open("index.html")
    page.fill("q", "SHINES moon")  # words of the response and of the id, in any case and order
    assert page.listed() == ["1"]
    page.one("[type=reset]").click()
    page.wait(lambda: len(page.listed()) == 5)
    page.fill("low", "10")
    page.fill("high", "40")
    assert page.listed() == ["1", "5"]
    page.fill("q", "no such words")
    assert page.listed() == []
    assert page.text("#status") == "0 of 5 examples match"


def test_filters_survive_in_the_url(page: Page) -> None:
    page.open("index.html")
    page.fill("q", "cannot")
    page.select("category", "safety")
    page.wait(lambda: "category=safety" in page.driver.current_url)
    page.follow(page.one("#examples a").click)
    page.follow(page.driver.back)
    page.wait(lambda: page.listed() == ["3"])
    assert page.one("[name=q]").get_property("value") == "cannot"
    assert page.open("index.html#sort=least&task=gone").listed() == ["2", "1", "5", "3", "4"]


def test_pairs_can_be_switched(page: Page) -> None:
    page.open("index.html").select("pair", "Pair two")
    assert page.text("#examples .quiet").startswith("other")
    assert page.text("#run") == "Pair: Pair two · data: made-up instructions · base context: Zero-shot"
    page.follow(page.one("#examples a").click)
    assert "/pairs/two/" in page.driver.current_url


def test_previous_and_next_follow_the_list_that_the_reader_came_from(page: Page) -> None:
    page.open("index.html").select("sort", "most shifted")
    page.fill("low", "25")
    page.fill("q", "m")  # "moon", "unsafe" by its instruction, the hostile one
    assert page.listed() == ["3", "4", "1"]
    page.follow(page.all("#examples a")[1].click)
    assert page.text("#place") == "2 of 3 listed"
    page.press("n")
    page.wait(lambda: page.driver.current_url.endswith("0004.html#t1"))  # a permalink holds no list
    page.follow(page.driver.refresh)
    assert page.text("#place") == "2 of 3 listed"
    page.follow(lambda: page.press("]"))
    assert page.text("h1") == "Example moon"
    assert page.text("#place") == "3 of 3 listed"
    assert page.one("#next").get_dom_attribute("aria-disabled") == "true"
    page.press("]")
    assert page.text("h1") == "Example moon"
    page.follow(page.one("#previous").click)
    page.follow(lambda: page.press("["))
    assert page.text("h1") == "Example unsafe"
    page.follow(page.driver.back)
    page.wait(lambda: page.text("#place") == "2 of 3 listed")
    page.follow(page.one("a.site").click)
    page.wait(lambda: page.listed() == ["3", "4", "1"])
    assert page.one("[name=low]").get_property("value") == "25"
    page.one("[type=reset]").click()
    page.wait(lambda: len(page.listed()) == 5)
    page.follow(page.all("#examples a")[2].click)
    assert page.text("#place") == "3 of 5"
    page.follow(lambda: page.press("]"))
    assert page.text("#place") == "4 of 5"


@pytest.mark.parametrize(
    "came", ["#list=1.2", "#list=", "#list=<img>", "#list=3.99", "#list=3.-1", "#list=3.1e999", "#t2", "#index=q"]
)
def test_without_a_list_that_can_be_read_all_examples_follow(page: Page, came: str) -> None:
    page.example(3, came)
    assert page.text("#place") == "3 of 5"
    page.follow(lambda: page.press("]"))
    assert page.text("h1") == f"Example {HOSTILE[0]}"


def test_an_example_links_to_itself_in_other_pairs(page: Page) -> None:
    page.example(3)
    assert page.text("#elsewhere") == "The same instruction with other models: Pair two"
    page.follow(page.one("#elsewhere a").click)
    assert page.driver.current_url.endswith("/pairs/two/0002.html")
    assert page.text("h1") == "Example unsafe"
    assert page.text("#place") == "2 of 2"
    assert not page.example(1).one("#elsewhere").is_displayed()


def test_click_shows_everything_about_a_token(page: Page) -> None:
    page.example(1).all("#response a")[4].click()
    assert page.chosen() == "#t5"
    assert page.text("#panel-name") == "Token 5 of 10"
    assert page.text("#sentence") == (
        "␣away is shifted: the base model ranks it 25 (probability 0.0200) and prefers ␣w1 (0.500)."
    )
    facts = dict(zip([node.text for node in page.all("#detail dt")], page.all("#detail dd"), strict=True))
    assert {name: node.text for name, node in facts.items()} == {
        "KL(base ‖ aligned)": "1.500", "JS divergence": "0.125", "Token id": "1004",
    }  # fmt: skip
    overview = [[cell.text for cell in row.find_elements("css selector", "th, td")] for row in page.all(".overview tr")]
    assert overview == [
        ["", "rank", "probability", "entropy", "KL"],
        ["Base, Zero-shot shifted", "25", "0.0200", "2.250", "6.250"],
        ["Aligned", "1", "0.625", "1.750", "–"],
    ]
    base, aligned = (page.all(f"table.{side} tbody tr") for side in ("base", "aligned"))
    assert [row.text.split() for row in base[:2]] == [["1", "␣w1", "1", "0.500"], ["2", "␣w2", "2", "0.250"]]
    # Beyond the ten candidates of the base, the emitted token has a row of its own.
    assert len(base) == 11
    assert "25 ␣away" in base[10].text
    assert len(aligned) == 10
    assert "emitted" in str(aligned[0].get_dom_attribute("class"))
    widths = [bar.rect["width"] for bar in page.all("table.base .chance span")]
    assert widths[0] > widths[1] > widths[2] > 0


def test_keys(page: Page) -> None:
    page.example(1)
    for key, expected in [
        (Keys.ARROW_RIGHT, "#t1"), (Keys.ARROW_RIGHT, "#t2"), (Keys.ARROW_LEFT, "#t1"), (Keys.ARROW_LEFT, "#t1"),
        ("n", "#t2"), ("n", "#t5"), ("n", "#t9"), ("n", "#t9"), ("p", "#t5"), (Keys.HOME, "#t1"), (Keys.ARROW_DOWN, "#t8"),
        (Keys.ARROW_UP, "#t1"), (Keys.END, "#t10"), (Keys.ESCAPE, None), ("p", "#t9"),
    ]:  # fmt: skip
        page.press(key)
        assert page.chosen() == expected
    assert page.driver.switch_to.active_element.get_dom_attribute("id") == "t9"
    page.press("n")
    assert page.text("#sentence") == "No shifted token after this one."
    page.follow(lambda: page.press("]"))
    assert page.text("h1") == "Example calm"
    assert "cut at the length limit" in page.text("#tags")
    page.press("n")
    assert page.chosen() is None
    page.follow(lambda: page.press("["))
    assert page.text("h1") == "Example moon"


def test_buttons_and_links_do_what_keys_do(page: Page) -> None:
    page.example(1).press("n")
    for label, expected in [("next shifted token", "#t5"), ("next token", "#t6"), ("previous shifted token", "#t5"),
                            ("previous token", "#t4"), ("choose no token", None)]:  # fmt: skip
        page.one(f"#panel [aria-label='{label}']").click()
        assert page.chosen() == expected
    assert page.one("#previous").get_dom_attribute("aria-disabled") == "true"
    page.follow(page.one("#next").click)
    assert page.text("h1") == "Example calm"
    page.follow(page.one("a.site").click)
    assert len(page.listed()) == 5


def test_permalinks(page: Page) -> None:
    assert page.example(1, "#t9").chosen() == "#t9"
    assert "shines" in page.text("#sentence")
    page.press("p")
    page.wait(lambda: page.driver.current_url.endswith("0001.html#t5"))
    page.run("location.hash = '#t2'")
    page.wait(lambda: page.chosen() == "#t2")
    assert page.example(1, "#t999").chosen() is None
    assert page.example(1, "#<img>").chosen() is None


def test_strip_shows_where_the_shifts_are_and_goes_there(page: Page) -> None:
    page.example(1)
    cells = page.all("#strip span")
    assert [cell.get_dom_attribute("class") for cell in cells] == [
        "unshifted" if rank == 1 else "marginal" if rank <= 3 else "shifted" for _, rank in TOKENS
    ]
    heights = [cells[position].rect["height"] for position in (0, 2, 1)]
    assert heights == sorted(heights)
    assert len(set(heights)) == 3
    cells[8].click()
    assert page.chosen() == "#t9"
    assert "chosen" in str(cells[8].get_dom_attribute("class"))


def test_categories_differ_by_line_and_not_only_by_colour(page: Page) -> None:
    page.example(1)
    seen = page.run(
        "return ['unshifted', 'marginal', 'shifted'].map((name) => {"
        " const style = getComputedStyle(document.querySelector(`#response a.${name}`));"
        " return [style.borderBottomStyle, style.borderBottomColor]; })"
    )
    assert [line for line, _ in seen] == ["dotted", "dashed", "solid"]
    assert [colour for _, colour in seen] == ["rgb(86, 180, 233)", "rgb(255, 165, 0)", "rgb(165, 15, 76)"]


def test_hostile_text_is_shown_and_never_run(page: Page) -> None:
    page.open("index.html")
    assert visible(HOSTILE[0]) in page.text("#examples li:nth-child(4)")
    page.select("task", HOSTILE[1])
    assert page.listed() == ["4"]
    page.example(4)
    assert page.text("h1") == f"Example {HOSTILE[0]}"
    assert page.text("#instruction") == visible("\n".join(HOSTILE))
    assert [link.get_property("textContent") for link in page.all("#response a")] == list(map(visible, HOSTILE))
    assert page.all("pre")[0].get_property("textContent") == visible("\n".join(HOSTILE))
    for position, text in enumerate(HOSTILE, start=1):
        page.press("n")
        assert page.chosen() == f"#t{position}"
        assert visible(text).replace(" ", "␣") in page.text("#sentence")
        assert page.text("table.base .emitted .chip") == visible(text).replace(" ", "␣")
    assert page.run("return window.hacked") is None
    assert page.all("img, iframe, main script") == []
    for spelled in ("<U+0000>", "<U+001B>", "<U+202E>", "\\ud800"):
        assert spelled in page.text("#response")
    assert page.run("return getComputedStyle(document.querySelector('#response a')).unicodeBidi") == "isolate"


def test_the_policy_forbids_markup_from_text_and_inline_scripts(page: Page) -> None:
    page.example(1)
    with pytest.raises(JavascriptException, match="TrustedHTML"):
        page.run("document.body.innerHTML = '<b>x</b>'")
    with pytest.raises(JavascriptException, match="TrustedScript"):
        page.run("const code = document.createElement('script'); code.textContent = 'window.hacked = 1'")
    assert page.run("return window.hacked") is None
    assert len(page.driver.get_log("browser")) == 2


@pytest.mark.parametrize("number", [0, 1, 4, 5])
def test_nothing_is_wider_than_a_phone(page: Page, number: int) -> None:
    if number:
        page.example(number, "#t1", width=400)
        page.run("for (const each of document.querySelectorAll('details')) each.open = true")
        assert page.one("#sentence").is_displayed()
    else:
        page.open("index.html", width=400)
    wide = page.run("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide[0] <= wide[1] <= 400
    boxes = page.run(
        "return [...document.querySelectorAll('main *')].map((node) => node.getBoundingClientRect().right)"
    )
    assert max(boxes) <= 400


def test_contexts_of_both_models(page: Page) -> None:
    page.example(1)
    assert [node.get_property("textContent") for node in page.all("#contexts summary")] == [
        "Base, Zero-shot (Model base)", "Aligned (Model aligned)",
    ]  # fmt: skip
    page.one("#contexts summary").click()
    assert page.all("#contexts pre")[0].text == "# Query: moon"
    assert page.all("#contexts pre")[1].get_property("textContent") == "<user>moon"


def test_theme_follows_the_system_until_it_is_chosen(page: Page) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = page.open("index.html").run(paper)
    dark = page.open("index.html", dark=True).run(paper)
    assert light != dark
    page.one("#theme").click()
    assert page.run(paper) == light
    assert page.open("pairs/one/0001.html", dark=True).run(paper) == light
    page.one("#theme").click()
    assert page.example(1).run(paper) == dark
    page.run("localStorage.clear()")


@pytest.mark.parametrize("name", ["index.html", "pairs/one/0001.html#t5"])
def test_a_screen_reader_finds_names_headings_and_news(page: Page, name: str) -> None:
    page.open(name)
    assert page.one("html").get_dom_attribute("lang") == "en"
    assert len(page.all("h1")) == len(page.all("main")) == 1
    for control in page.all("button, input, select, a[href]"):
        if control.is_displayed():
            assert control.accessible_name
    assert page.all("[role=status], [aria-live=polite]")
    if name.startswith("pairs"):
        assert page.one("#t5").accessible_name == "away, shifted"
        assert [link.get_dom_attribute("id") for link in page.all("#response a[tabindex='0']")] == ["t5"]
        assert page.one("#panel").aria_role == "complementary"
