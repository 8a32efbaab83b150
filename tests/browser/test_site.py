"""Pages of the documentation site in a real Chromium, from a server: the search needs one."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from support.chromium import asked_for, errors, needs_chromium, show
from support.project import ROOT

pytestmark = [pytest.mark.browser, needs_chromium]
# The first page, one with commands, and one with wide tables, each with its first heading.
PAGES = {"index": "Superficial", "tutorial": "Ten minutes", "data": "Tables and columns"}
ABOUT_WIDTHS = """
  const names = [...document.querySelectorAll("td:first-child code")];
  return [document.documentElement.scrollWidth, names.filter((name) => name.getClientRects().length > 1).length];
"""


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder; requests are not told on stderr."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the site is served."""
    site = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(site)]
    subprocess.run(build, cwd=ROOT, check=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_its_window_and_leads_to_the_others(chromium: WebDriver, address: str, page: str, width: int):
    errors(chromium), asked_for(chromium)  # what earlier tests left
    show(chromium, f"{address}/{page}.html", width=width)
    heading = chromium.find_element(By.CSS_SELECTOR, "main h1")
    assert heading.is_displayed()
    assert heading.text.removesuffix("¶").strip() == PAGES[page]
    wide, broken = chromium.execute_script(ABOUT_WIDTHS)
    assert wide <= width  # wide tables and code scroll inside themselves
    assert broken == 0  # names of columns
    open_navigation(chromium, narrow=width == 400)
    link = chromium.find_element(By.CSS_SELECTOR, "nav.md-nav--primary a[href='ask.html']")
    WebDriverWait(chromium, 20).until(lambda _: link.is_displayed() and link.text == "Ask")  # the drawer slides in
    chromium.execute_script("arguments[0].click()", link)  # the drawer may still be moving
    WebDriverWait(chromium, 20).until(lambda driver: driver.current_url == f"{address}/ask.html")
    assert errors(chromium) == []
    assert asked_for(chromium) <= {"http", "data"}  # this server alone


def open_navigation(driver: WebDriver, *, narrow: bool) -> None:
    """A narrow window has a drawer, which opens at the section where the page stands; the link is in the section Start."""
    drawer = driver.find_element(By.CSS_SELECTOR, "label.md-header__button[for=__drawer]")
    assert drawer.is_displayed() == narrow
    if not narrow:
        return
    drawer.click()
    label = driver.find_element(By.XPATH, "//label[contains(@class, 'md-nav__link')][normalize-space()='Start']")
    if not driver.find_element(By.ID, str(label.get_dom_attribute("for"))).is_selected():
        driver.execute_script("arguments[0].click()", label)  # the drawer is still moving
