"""A page in a real browser: what it shows, what it complained of, and what it asked the network for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE_S = 20.0


class Browser:
    """One window of a headless chromium; its logs begin anew with `open`."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, page: Path | str, width: int = 1400, height: int = 1000) -> None:
        """Load a file (or an address), in a window of so many CSS pixels."""
        self.driver.get("about:blank")
        self.size(width, height)
        self._entries("browser"), self._entries("performance")
        self.driver.get(page.resolve().as_uri() if isinstance(page, Path) else page)

    def size(self, width: int, height: int) -> None:
        """How many CSS pixels the page has; a window itself is never narrower than 500."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def scheme(self, name: str, media: str = "") -> None:
        """`light` or `dark`; `media` may be "print"."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})

    def run(self, script: str, *arguments: object) -> Any:
        """What a script `return`s in the page, as JSON values."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, ready: Callable[["Browser"], Any], told: str = "") -> Any:
        """What `ready` gives once it is true; TimeoutException with `told` after PATIENCE_S."""
        return WebDriverWait(self, PATIENCE_S, poll_frequency=0.05).until(ready, told)  # type: ignore[type-var]

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def texts(self, css: str) -> list[str]:
        """The text of each element, as it stands in the page (textContent)."""
        return self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", css)

    def press(self, keys: str) -> None:
        """Type keys into the page, or into what has the focus."""
        (self.driver.switch_to.active_element or self.one("body")).send_keys(keys)

    def complaints(self) -> list[str]:
        """What the console said since `open` or the last call: errors, refusals of the page's policy, warnings."""
        return [e["message"] for e in self._entries("browser") if e["level"] in ("WARNING", "SEVERE")]

    def requests(self) -> list[str]:
        """Every address that was asked for since `open` or the last call, the page's own among them; none is left out,
        whether it was answered, refused or blocked.
        """
        messages = [json.loads(e["message"])["message"] for e in self._entries("performance")]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]

    def shot(self, path: Path, whole: bool = True) -> None:
        """A PNG of the page, whole or what the window shows."""
        import base64

        options = {"captureBeyondViewport": whole, "format": "png"}
        if whole:
            size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
            options["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        found = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)
        path.write_bytes(base64.b64decode(found["data"]))

    def _entries(self, kind: str) -> list[dict[str, Any]]:
        return self.driver.get_log(kind)  # and empties it
