"""Catalogues of drawn things on white, as ZIP files, and a shop's own kinds of product."""

from __future__ import annotations

import io
import zipfile

from PIL import Image, ImageDraw

KINDS = """
[kettle]
en = ["kettle"]
zh = ["水壶"]
names = ["Kettles & Pots"]

[phone_case]
en = ["phone case"]
zh = ["手机壳"]
"""


def drawing(number: int, side: int = 64) -> bytes:
    """A reddish ellipse, none like another."""
    picture = Image.new("RGB", (side, side), "white")
    unit = side / 64
    box = [unit * place for place in (8, 4 + number % 5, 40 + number, 60 - number // 3)]
    ImageDraw.Draw(picture).ellipse(box, fill=(200, 30 + 15 * number, 30))
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def catalogue(table: str = "shop/products.csv", *, categories: tuple[str, ...] = ("Watches",), side: int = 64,
              **more: bytes) -> bytes:  # fmt: skip
    """Twelve things of these categories in turn, and further files."""
    buffer = io.BytesIO()
    lines = ["file_name,title,category,colour"]
    with zipfile.ZipFile(buffer, "w") as made:
        for number in range(12):
            made.writestr(f"shop/{number}.png", drawing(number, side))
            lines.append(f"{number}.png,Thing {number},{categories[number % len(categories)]},Red")
        made.writestr(table, "\n".join(lines))
        for name, content in more.items():
            made.writestr(name, content)
    return buffer.getvalue()
