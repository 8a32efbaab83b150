"""The page that a run ends with, in a real Chromium: wide and on a phone, by day and at night."""

import re
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from support.chromium import asked_for, errors, needs_chromium, show, start
from support.made import make_results

from superficial.config.schema import ReportedPair, ReportStage
from superficial.views.declared import declared
from superficial.views.index.stage import index

pytestmark = [pytest.mark.browser, needs_chromium]
SHOWN = "return [...document.querySelectorAll('article')].filter(one => one.checkVisibility()).length"


def test_the_index_is_legible_searchable_and_runs_nothing_else(tmp_path: Path) -> None:
    made = make_results(tmp_path, declared())
    page = tmp_path / "index.html"
    pairs = [ReportedPair(title="x" * 300, reference=None)]
    page.write_bytes(index(ReportStage(pairs=pairs, token_shift=[]), made, tmp_path).encode())
    driver = start(tmp_path / "profile")
    try:
        inks = []
        for width, dark in ((400, False), (1200, True)):
            show(driver, page, width=width, dark=dark)
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width
            inks.append(driver.execute_script("return getComputedStyle(document.body).backgroundColor"))
            driver.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true })")
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width
            assert driver.execute_script(SHOWN) == len(declared())
            box = driver.find_element(By.ID, "search")
            box.send_keys("RECOVER prompts")
            few = driver.execute_script(SHOWN)
            assert 0 < few < len(declared())
            assert driver.find_element(By.ID, "found").text == f"{few} of {len(declared())}"
            box.clear()
            box.send_keys("no such words")
            assert driver.execute_script(SHOWN) == 0
        assert inks[0] != inks[1]
        driver.execute_script("document.querySelectorAll('img').forEach(one => { one.loading = 'eager' })")
        links = driver.execute_script("return [...document.querySelectorAll('a')].map(one => one.getAttribute('href'))")
        assert links
        assert [link for link in links if re.match(r"\w+:", link) or not (tmp_path / link).is_file()] == []
        assert driver.execute_script("return window.hacked") is None
        assert asked_for(driver) <= {"file", "data"}
        assert errors(driver) == []
    finally:
        driver.quit()
