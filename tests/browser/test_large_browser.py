"""A browser with many examples: few files, an index that loads its texts, and everything else as in a small one."""

from pathlib import Path

import pytest
from support.chromium import needs_chromium
from support.page import Page
from support.synthetic import HOSTILE, Made, example, further, stage

from superficial.views.browser.site import write_site

pytestmark = [pytest.mark.browser, needs_chromium]
TOKENS = [("The", 1), (" moon", 4), (".", 2)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven examples, where three are too many: two stand on a page, three on a shelf, four in the list at first."""
    folder = tmp_path_factory.mktemp("site") / "browser"
    names = ["a", "b", "c", "d", HOSTILE[0], "f", "g"]
    made = [
        example(name, TOKENS * (number + 1), text=f"Answer {number}", tasks=["coding"] if number % 2 else ["writing"],
                further=[further(TOKENS * (number + 1), [1, 1, 1] * (number + 1))])
        for number, name in enumerate(names)
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("superficial.views.browser.site.MOST", 3)
        for module in ("site", "shelves"):
            patch.setattr(f"superficial.views.browser.{module}.BLOCK", 2)
        patch.setattr("superficial.views.browser.shelves.SIZE", 3)
        write_site(stage("one", "two", contexts=["Other"]), {"one": Made(made), "two": Made(made[4:6])}, folder)
    index = folder / "assets/index.js"
    index.write_text(index.read_text().replace("STEP = 200", "STEP = 4"))
    return folder


def numbers(page: Page) -> list[str]:
    return [link.partition("?")[2].partition("#")[0] for link in page.links()]


def index(page: Page, state: str = "") -> Page:
    page.open(f"index.html{state}")
    page.wait(lambda: "examples" in page.text("#status"))
    return page


def test_few_files(site: Path) -> None:
    found = sorted(file.name for file in (site / "pairs/one").iterdir())
    assert found == [
        "0001.html", "0003.html", "0005.html", "0007.html", *(f"heads-000{n}.js" for n in (1, 2, 3)),
        *(f"words-000{n}.js" for n in (1, 2, 3)),
    ]  # fmt: skip
    assert "Answer" not in (site / "index.html").read_text()


def test_the_list_grows_on_demand(page: Page) -> None:
    index(page)
    assert numbers(page) == ["1", "2", "3", "4"]
    assert "7 of 7 examples, 84 tokens" in page.text("#status")
    page.one("#more").click()
    page.wait(lambda: len(numbers(page)) == 7)
    assert HOSTILE[0] in page.text("#examples li:nth-child(5)")
    assert not page.one("#more").is_displayed()


def test_search_reads_all_texts(page: Page) -> None:
    index(page)
    page.fill("q", "answer 5")
    page.wait(lambda: numbers(page) == ["6"])
    assert "1 of 7 examples" in page.text("#status")


@pytest.mark.parametrize(
    ("state", "expected"),
    [("#sort=long", ["7", "6", "5", "4"]), ("#task=coding", ["2", "4", "6"]), ("#pair=two", ["1", "2"])],
)
def test_the_state_of_the_index_is_kept(page: Page, state: str, expected: list[str]) -> None:
    assert numbers(index(page, state)) == expected


def test_from_the_list_to_an_example_and_on(page: Page) -> None:
    index(page, "#task=coding")
    page.follow(page.all("#examples a")[1].click)
    assert page.text("h1") == "Example d"
    assert page.text("#place") == "2 of 3 listed"
    page.follow(page.one("#next").click)
    assert page.text("h1") == "Example f"
    page.follow(page.one("#previous").click)
    assert page.text("h1") == "Example d"
    page.follow(page.one("a.site").click)
    page.wait(lambda: numbers(page) == ["2", "4", "6"])


def test_a_permalink_names_example_and_token(page: Page) -> None:
    page.open("pairs/one/0005.html?6#t2")
    assert page.text("h1") == "Example f"
    assert page.chosen() == "#t2"
    page.open("pairs/one/0005.html")
    assert page.text("h1") == f"Example {HOSTILE[0]}"
    link = page.one("#elsewhere a").get_dom_attribute("href")
    assert "/two/0001.html?1" in str(link)
