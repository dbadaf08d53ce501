"""How long a person waits for the studio page, in Debian's Chromium: first paint, first picture, all four.

    pip install playwright && apt-get install chromium
    python benchmarks/studio.py

Starts `packshot serve` with as many workers as cores and a new home; opens the page in a fresh window for every repeat,
writes a prompt and clicks Draw. A picture is there when it is decoded in its place. One unmeasured repeat comes first.
Seconds vary with the machine's load, which stands beside them: everything shares the cores with the browser.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from servers import serving  # noqa: E402
from studio import ARGUMENTS, CHROMIUM  # noqa: E402

PROMPTS = ("red running shoe", "棕色真皮手提包", "women's gold watch", "黑色太阳镜", "blue backpack")
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
BYTES = "performance.getEntries().reduce((sum, one) => sum + (one.encodedBodySize || 0), 0)"


def one(browser: Browser, url: str, prompt: str) -> dict[str, float]:
    """Seconds of one visit."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    try:
        page.goto(url)
        button = page.locator("button.draw")
        expect(button).to_be_visible(timeout=60_000)
        page.wait_for_load_state("networkidle")
        found = {"first_paint": page.evaluate(PAINT) / 1000, "bytes": page.evaluate(BYTES)}
        page.locator("#prompt").fill(prompt)
        begin = time.perf_counter()
        button.click()
        pictures = page.locator(".run .tile img")
        pictures.first.wait_for(timeout=60_000)
        found["first_picture"] = time.perf_counter() - begin
        pictures.nth(3).wait_for(timeout=60_000)
        found["four_pictures"] = time.perf_counter() - begin
    finally:
        page.close()
    return found


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "home") as server, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        one(browser, server.url, PROMPTS[0])
        rows = [one(browser, server.url, PROMPTS[at % len(PROMPTS)]) for at in range(arguments.repeats)]
        version = browser.version
        browser.close()
    names = ("first_paint", "first_picture", "four_pictures")
    result = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "processor": platform.processor() or platform.machine(), "cores": os.cpu_count(), "chromium": version,
        "load_average": [round(before, 2), round(os.getloadavg()[0], 2)],
        "bytes_before_the_first_picture": rows[0]["bytes"],
        "median_seconds": {name: round(statistics.median(row[name] for row in rows), 3) for name in names},
        "most_seconds": {name: round(max(row[name] for row in rows), 3) for name in names},
        "rows": [{name: round(row[name], 3) for name in names} for row in rows],
    }  # fmt: skip
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
