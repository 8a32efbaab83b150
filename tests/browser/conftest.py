from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.page import Page
from chromium import start
from selenium.webdriver.chrome.webdriver import WebDriver


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    driver = start(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def page(chromium: WebDriver, site: Path) -> Iterator[Page]:
    """The pages of the module's `site`; whatever the browser logs fails the test."""
    chromium.get_log("browser")
    yield Page(chromium, site)
    assert chromium.get_log("browser") == []
