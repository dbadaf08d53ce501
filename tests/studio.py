"""The studio page in Debian's Chromium, as people use it; what goes wrong unseen (console, CSP, requests) is kept."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from servers import RunningServer

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
WATCH = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.__violations.push(`${event.violatedDirective} ${event.blockedURI}`));
window.__shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.__shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""  # noqa: E501
expect.set_options(timeout=20_000)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; tests are skipped where there is none."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs a browser: {CHROMIUM} is not there; Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Studio:
    """The page in one window."""

    page: Page
    server: RunningServer
    wrong: list[str] = field(default_factory=list)
    allowed: tuple[str, ...] = ()

    def open(self, screen: str = "create") -> Page:
        """Show a screen, and wait until it is there."""
        self.page.goto(f"{self.server.url}/#/{screen}")
        expect(self.page.locator(f"section.{screen.partition('?')[0]}")).to_be_visible()
        return self.page

    def sideways_px(self) -> int:
        """How far the page can be scrolled to the side."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def faults(self, within: str | None = None) -> list[str]:
        """What axe finds serious or critical."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page, context=within)
        return [
            f"{violation['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
            for violation in found.response["violations"]
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]

    def settle(self) -> None:
        """Let colours and sizes arrive where they go, so that nothing is measured on its way."""
        self.page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {})))")


@contextmanager
def studio(browser: Browser, server: RunningServer, *, language: str = "en", width: int = 1280, dark: bool = False,
           allowed: tuple[str, ...] = ()) -> Iterator[Studio]:  # fmt: skip
    """A window of one's own; at its end nothing may have gone wrong in it.

    Args:
        browser: of `chromium`.
        server: that runs.
        language: of the browser: en or zh.
        width: of the window, CSS pixels.
        dark: whether the system is.
        allowed: parts of console messages that the test provokes: the browser notes answers such as 422.
    """
    locale = {"en": "en-GB", "zh": "zh-CN"}[language]
    height = 844 if width < 600 else 900
    context = browser.new_context(
        locale=locale, viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light",
        reduced_motion="reduce", accept_downloads=True,
    )  # fmt: skip
    context.add_init_script(WATCH)
    page = context.new_page()
    here = Studio(page, server, allowed=allowed)

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(part in message.text for part in allowed):
            here.wrong.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    page.on("console", heard)
    page.on("pageerror", lambda error: here.wrong.append(str(error)))
    page.on("request", lambda request: _note_foreign(here, request.url))
    try:
        yield here
        assert page.evaluate("window.__violations") == []
        assert here.wrong == [], here.wrong
    finally:
        context.close()


def _note_foreign(here: Studio, url: str) -> None:
    if not url.startswith(here.server.url):
        here.wrong.append(f"asked another server: {url}")


def photo_bytes(size: tuple[int, int] = (480, 360), colour: str = "#a01c2c", ground: str = "#ffffff") -> bytes:
    """A photo of something like a bag before a plain ground."""
    picture = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(picture)
    width, height = size
    draw.arc((0.35 * width, 0.12 * height, 0.65 * width, 0.6 * height), 180, 360, "#5a1018", 8)
    draw.rounded_rectangle((0.25 * width, 0.35 * height, 0.75 * width, 0.85 * height), 20, colour)
    draw.rectangle((0.25 * width, 0.52 * height, 0.75 * width, 0.56 * height), "#5a1018")
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def upload(server: RunningServer, data: bytes, name: str = "bag.png") -> dict[str, Any]:
    """A picture that is in the gallery already."""
    answer = server.http.post("/v1/assets", files={"file": (name, data, "image/png")})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found
