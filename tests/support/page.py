"""What a test does with a headless Chromium and sees in it."""

from collections.abc import Callable
from pathlib import Path

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait


class Page:
    """What a test does with the browser and sees in it."""

    def __init__(self, driver: WebDriver, site: Path) -> None:
        self.driver, self.site, self._left = driver, site, 0

    def open(self, name: str, *, width: int = 1200, dark: bool = False) -> "Page":
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        file = name.partition("#")[0].partition("?")[0]
        url = (self.site / file).as_uri()
        self.driver.get("about:blank")  # otherwise a URL that differs in its hash only would not load
        self.driver.get(url + name[len(file) :])
        self.wait(lambda: self.driver.current_url.startswith(url) and self._complete())
        return self

    def follow(self, step: Callable[[], object]) -> None:
        """Do what opens another page, and wait until it is there: on a busy machine the driver does not."""
        self._left += 1  # a page that history brings back still bears its own number
        self.run(f"window.left = {self._left}")
        step()
        self.wait(lambda: self.run("return window.left") != self._left and self._complete())

    def _complete(self) -> bool:
        return self.run("return document.readyState") == "complete"

    def example(self, number: int, permalink: str = "", *, width: int = 1200) -> "Page":
        return self.open(f"pairs/one/000{number}.html{permalink}", width=width)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """All the text of an element, as it stands in the document."""
        return str(self.one(selector).get_property("textContent"))

    def links(self) -> list[str]:
        """Where the listed examples lead, read in one step: the page may be writing its list anew."""
        found = self.run("return [...document.querySelectorAll('#examples a')].map(one => one.getAttribute('href'))")
        assert isinstance(found, list)
        return [str(link) for link in found]

    def press(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def chosen(self) -> str | None:
        """Permalink of the chosen token."""
        found = self.all("#response [aria-current]")
        assert len(found) < 2
        return found[0].get_dom_attribute("href") if found else None

    def listed(self) -> list[str]:
        return [link.partition("#")[0][-6] for link in self.links()]

    def fill(self, name: str, text: str) -> None:
        field = self.one(f"[name={name}]")
        field.clear()
        field.send_keys(text)

    def select(self, name: str, value: str) -> None:
        Select(self.one(f"[name={name}]")).select_by_visible_text(value)

    def run(self, script: str) -> object:
        return self.driver.execute_script(script)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds. An element that the page has just replaced is looked for again."""
        wait = WebDriverWait(self.driver, 20, 0.02, [StaleElementReferenceException])
        wait.until(lambda _: condition(), "waited in vain")
