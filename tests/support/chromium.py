"""A real Chromium without a window, and what it has to say about a page."""

import json
import shutil
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium and chromedriver are missing: apt-get install chromium chromium-driver"
)


def start(profile: Path) -> WebDriver:
    """A browser that logs what pages say and ask for."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for switch in (*SWITCHES, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(str(DRIVER)))


def show(driver: WebDriver, page: Path | str, *, width: int = 1200, dark: bool = False) -> None:
    """Open a page from disk, or a URL, in a window of some width, in a light or dark scheme."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    driver.get(page if isinstance(page, str) else page.as_uri())


def asked_for(driver: WebDriver) -> set[str]:
    """Schemes of everything that pages loaded since the last look: file and data are on this disk."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return {url.partition(":")[0] for url in urls if not url.startswith("chrome")}  # that is its own first page


def errors(driver: WebDriver) -> list[str]:
    """What the console calls severe."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
