"""A real browser for the report's tests: Debian's chromium, without a window."""

import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
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


@pytest.fixture
def served() -> Iterator[Callable[[Path, str], str]]:
    """Serve a folder over HTTP on an address of this machine; its URL."""
    servers: list[ThreadingHTTPServer] = []

    def serve(folder: Path, address: str) -> str:
        handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
        servers.append(ThreadingHTTPServer((address, 0), partial(handler, directory=str(folder))))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://{address}:{servers[-1].server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()
