"""Shards of drawn products, small enough to train on in a test: a category is a shape, a colour is its fill."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from packshot.colour import oklab_from_srgb
from packshot.shards import FORMAT, FORMAT_VERSION, MANIFEST, ShardRow, write_shards

SHAPES = {"watch": ("watch", "手表"), "wallet": ("wallet", "钱包")}
COLOURS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (40, 60, 200)}


def write_drawn_shards(
    folder: Path,
    *,
    rows: int = 24,
    side: int = 16,
    split: str = "train",
    fine_side: int | None = None,
    varied: bool = False,
) -> Path:
    """Write `rows` pictures: circles are watches, squares are wallets; the last row is the only belt.

    With `fine_side` there are fine pictures, of all rows but the second, and every fourth row is held out. `varied`
    ones have sizes and places of their own, instead of three sizes in the middle.
    """
    folder.mkdir(parents=True)
    drawn = [
        _row(index, "belt" if index == rows - 1 else list(SHAPES)[index % 2], side, split) for index in range(rows)
    ]
    if varied:
        drawn = [dataclasses.replace(row, picture=_varied(row, index, side)) for index, row in enumerate(drawn)]
    if fine_side:
        drawn = [_with_fine(row, index, fine_side) for index, row in enumerate(drawn)]
    manifest = {"format": FORMAT, "format_version": FORMAT_VERSION, "resolution": side}
    manifest["shards"] = write_shards(drawn, folder, fine_resolution=fine_side)
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _with_fine(row: ShardRow, index: int, side: int) -> ShardRow:
    fine = None if index == 1 else _drawn(str(row.slots["category"]), index, side)
    return dataclasses.replace(row, fine_picture=fine, split="train" if index % 4 else "test")


def _varied(row: ShardRow, index: int, side: int) -> bytes:
    random = np.random.default_rng(index)
    width, height = random.integers(side // 4, side - 1, 2)
    left, top = (int(random.integers(1, side - size)) for size in (width, height))
    return _encoded(str(row.slots["category"]), index, side, (left, top, left + int(width) - 1, top + int(height) - 1))


def _drawn(category: str, index: int, side: int) -> bytes:
    margin = 2 + index % 3
    return _encoded(category, index, side, (margin, margin, side - 1 - margin, side - 1 - margin))


def _encoded(category: str, index: int, side: int, box: tuple[int, int, int, int]) -> bytes:
    picture = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(picture)
    (draw.ellipse if category == "watch" else draw.rectangle)(box, fill=list(COLOURS.values())[index % 3])
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def _row(index: int, category: str, side: int, split: str) -> ShardRow:
    word, fill = list(COLOURS.items())[index % 3]
    lab = oklab_from_srgb(np.array(fill, np.uint8))
    name, chinese = SHAPES.get(category, ("belt", "腰带"))
    return ShardRow(
        id=f"{index:04d}",
        split=split,
        title="",
        colour_word=word,
        slots={"category": category, "usage": None, "gender": None, "material": None, "style": None},
        colours=((float(lab[0]), float(lab[1]), float(lab[2]), 1.0),),
        captions={"en": (f"{word} {name}",), "zh": (chinese,)},
        picture=_drawn(category, index, side),
    )
