"""A real browser for the report's tests: Debian's chromium, without a window."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.browser import Browser

OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # chromium as root needs it
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--font-render-hinting=none",
)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests of a process; skips where there is none."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if not all(programs):
        pytest.skip("no chromium with a chromedriver; on Debian: apt-get install chromium chromium-driver")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = programs[0]
    for word in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options, Service(programs[1]))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


@pytest.fixture
def browser(chromium: Browser, tmp_path: Path) -> Browser:
    """The browser, light, with nothing of another test in it."""
    chromium.driver.get("about:blank")
    chromium.scheme("light")
    return chromium
