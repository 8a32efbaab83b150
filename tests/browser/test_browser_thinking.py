"""A response that thinks, in a real Chromium: its thinking is folded until somebody wants it."""

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from support.chromium import needs_chromium
from support.page import Page
from support.synthetic import Made, example, stage

from superficial.views.browser.site import write_site

pytestmark = [pytest.mark.browser, needs_chromium]

# Four tokens of thinking, one of them shifted; then the answer.
TOKENS = [("<think>", 1), (" far", 9), ("⏎", 1), ("</think>", 1), ("The", 1), (" moon", 4), (" is", 2), (" far", 1)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thinking") / "browser"
    made = [
        example("both", TOKENS, thinking=4),
        example("cut", TOKENS[:3], thinking=3, text="", finish_reason="length"),
        example("plain", TOKENS),
    ]
    write_site(stage("one"), {"one": Made(made)}, folder)
    return folder


def test_the_thinking_is_folded_until_a_token_of_it_is_wanted(page: Page) -> None:
    page.example(1)
    assert page.text("#response summary") == "Thinking: 4 tokens, 25.0\u00a0% shifted"
    assert not page.one("#thinking").get_property("open")
    assert page.one("#t5").get_property("tabIndex") == 0  # where a reader with a keyboard comes in
    assert page.one("#t1").get_property("tabIndex") == -1
    page.press(Keys.ARROW_RIGHT)
    assert page.chosen() == "#t5"
    page.press(Keys.ARROW_UP)
    assert page.chosen() == "#t5"  # what is folded is no line above
    assert not page.one("#thinking").get_property("open")
    page.press("p")
    assert page.chosen() == "#t2"
    assert page.one("#thinking").get_property("open")
    page.one("#response summary").click()
    page.example(1, "#t3")
    assert page.one("#thinking").get_property("open")
    assert "ends within" not in page.text("#tags")


def test_a_response_without_answer_says_so_and_others_have_nothing_to_fold(page: Page) -> None:
    page.example(2)
    assert "cut at the length limit · ends within its thinking" in page.text("#tags")
    assert page.one("#thinking")
    page.example(3)
    assert page.all("#response details") == []
    assert "ends within" not in page.text("#tags")
