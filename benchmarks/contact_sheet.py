"""How large the contact sheet of a large shop is, and how long a browser takes to show and to filter it.

    python benchmarks/contact_sheet.py --products 20000 --out benchmarks/results/2026-11-26-contact-sheet.json

Needs playwright and Chromium. Lines are those of a made-up shop, ten pictures a product; there are no picture files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from packshot.listing.contact_sheet import ContactSheet

CHANNELS = ("amazon-secondary", "pinduoduo", "shopify", "taobao-main", "etsy")
FLAGS = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
SEARCHED = """(words) => new Promise((shown) => {
    const [field, totals] = [document.getElementById("search"), document.getElementById("totals")];
    const [before, start] = [totals.textContent, performance.now()];
    new MutationObserver(() => { if (totals.textContent !== before) shown(performance.now() - start); })
        .observe(totals, { childList: true, characterData: true, subtree: true });
    field.value = words;
    field.dispatchEvent(new Event("input"));
})"""


def lines(products: int) -> Iterator[dict[str, Any]]:
    """Ten for each product, a tenth of them with something to look at."""
    origin = {"origin": {"kind": "edited", "source_type": "algorithmicallyEnhanced"}, "labels": []}
    for number in range(products):
        sku = f"SKU-{number:06d}"
        for channel in CHANNELS:
            for role in ("main", "scene"):
                key = hashlib.sha256(f"{sku}{channel}{role}".encode()).hexdigest()
                verdicts = [{"rule": "format", "status": "pass"}]
                if key[0] in "01":
                    measured = f"1.{int(key[1:4], 16) % 100:02d} px"
                    verdicts.append(
                        {"rule": "blur", "status": "unsure", "measured": measured, "accepted": "up to 2.2 px"}
                    )
                name = f"{sku}/{channel}/{role}-1.jpg"
                yield {
                    "key": key, "name": name, "sku": sku, "channel": channel, "role": role, "number": 1,
                    "path": "identity", "request": f"product number {number} in red",
                    "certificate": f"{name}.certificate.json",
                    "verdicts": verdicts, "labels": origin,
                }  # fmt: skip


def measured(page: Path) -> dict[str, float]:
    """Seconds until the first page is there, and from a typed search to its answer."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS.split())
        shown = browser.new_page()
        start = time.perf_counter()
        shown.goto(page.as_uri())
        shown.wait_for_selector(".tile")
        opened = time.perf_counter() - start
        searched = shown.evaluate(SEARCHED, "sku-0199 red") / 1000
        heap = shown.evaluate("performance.memory ? performance.memory.usedJSHeapSize / 1e6 : 0")
        browser.close()
    return {"open_seconds": round(opened, 2), "search_seconds": round(searched, 2), "heap_mb": round(heap)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=20_000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    sheet, start = ContactSheet({}), time.perf_counter()
    for line in lines(arguments.products):
        sheet.add(line)
    data = sheet.page()
    result: dict[str, Any] = {"products": arguments.products, "pictures": 10 * arguments.products}
    result |= {"megabytes": round(len(data) / 1e6, 1), "write_seconds": round(time.perf_counter() - start, 2)}
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "index.html"
        page.write_bytes(data)
        result |= measured(page)
    print(json.dumps(result))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
