"""A table of the report as a page of its own, in a real Chromium."""

from pathlib import Path

import pytest
from support.chromium import asked_for, errors, needs_chromium, show, start
from support.synthetic import HOSTILE, LONG

from superficial.views.report.grid import Grid
from superficial.views.report.pages import page

pytestmark = [pytest.mark.browser, needs_chromium]


def test_a_page_is_legible_on_a_phone_and_at_night_and_runs_nothing(tmp_path: Path) -> None:
    wide = Grid("Wide", [f"column {at}" for at in range(12)], [["12.3 [10.1, 14.5]"] * 12])
    hostile = Grid(HOSTILE[0], ["text"], [[text] for text in HOSTILE], LONG)
    made = tmp_path / "page.html"
    made.write_bytes(page(HOSTILE[1], wide.markdown() + hostile.markdown()).encode())
    driver = start(tmp_path / "profile")
    try:
        inks = []
        for width, dark in ((400, False), (1200, True)):
            show(driver, made, width=width, dark=dark)
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width
            style = "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
            inks.append(driver.execute_script(style))
        assert inks[0] == inks[1][::-1] or set(inks[0]).isdisjoint(inks[1])
        assert driver.execute_script("return window.hacked") is None
        assert driver.execute_script("return document.querySelectorAll('td').length") == 12 + len(HOSTILE)
        assert asked_for(driver) <= {"file", "data"}
        assert errors(driver) == []
    finally:
        driver.quit()
