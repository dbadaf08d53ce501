"""A small shop for tests of listing runs, and how to read what a run leaves."""

from __future__ import annotations

import json
from pathlib import Path

from listing_pictures import jpeg, product

Row = dict[str, object]


def shop_in(folder: Path) -> list[object]:
    """The command but for --out: four products with photos on white, two of words, and a damaged row."""
    (folder / "photos").mkdir()
    for number in range(4):
        picture = jpeg(product(1000, 0.7 + 0.06 * number))
        (folder / "photos" / f"B{number}.jpg").write_bytes(picture)
    rows = [f"B{number},brown bag {number}" for number in range(4)] + ["W1,red shoe", "W2,blue dress", ",no sku"]
    (folder / "shop.csv").write_text("sku,title\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (folder / "sets.toml").write_text("[amazon-main]\nmain = 1\n[taobao-main]\nmain = 1\n", encoding="utf-8")
    options = ["--photos", folder / "photos", "--channels", "amazon-main,taobao-main"]
    return ["listing", folder / "shop.csv", *options, "--sets", folder / "sets.toml", "--backend", "fake"]


def lines(path: Path) -> list[Row]:
    """The rows of a file of lines; none where it is missing."""
    return read(path.read_bytes()) if path.exists() else []


def read(data: bytes) -> list[Row]:
    """Rows of JSON lines."""
    return [json.loads(line) for line in data.splitlines()]
