"""Drawn pictures for tests of the rules of marketplaces: a good one, and one for each fault."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from packshot.images import encode_picture, packaged_font

SIDE = 1000
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><a>'
    b"http://cv.iptc.org/newscodes/digitalsourcetype/%s</a></rdf:RDF></x:xmpmeta>"
)


def product(side: int = SIDE, share: float = 0.9, ground: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    return _drawn(side, share, ground).copy()


@cache
def _drawn(side: int, share: float, ground: tuple[int, int, int]) -> Image.Image:
    """A bag with a handle and seams, drawn twice as large and reduced, so that its outline is soft."""
    big = Image.new("RGB", (2 * side, 2 * side), ground)
    draw = ImageDraw.Draw(big)
    half, middle = share * side, side
    box = [middle - 0.8 * half, middle - 0.3 * half, middle + 0.8 * half, middle + half]
    handle = [middle - 0.4 * half, middle - half, middle + 0.4 * half, middle + 0.2 * half]
    draw.ellipse(handle, outline=(120, 60, 20), width=round(0.08 * half))
    draw.rectangle(box, fill=(150, 80, 30))
    for k in range(1, 5):
        y = box[1] + k * (box[3] - box[1]) / 5
        draw.line([box[0], y, box[2], y], fill=(70, 30, 10), width=round(0.012 * side))
    return big.resize((side, side), Image.Resampling.BOX)


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **{"quality": 92, "subsampling": 0, **options})
    return buffer.getvalue()


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def written(
    image: Image.Image, text: str, at: tuple[int, int], fill: tuple[int, int, int], size: int = 60
) -> Image.Image:
    font = packaged_font()
    face = ImageFont.truetype(str(font), size) if font else ImageFont.load_default(size)
    ImageDraw.Draw(image).text(at, text, fill=fill, font=face)
    return image


def two_items() -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), "white")
    image.paste(product(500, 0.95), (0, 250))
    image.paste(product(250, 0.95), (600, 400))
    return image


def transparent() -> Image.Image:
    image = product().convert("RGBA")
    mask = Image.fromarray((np.array(product()).min(-1) < 250).astype(np.uint8) * 255)
    image.putalpha(mask)
    return image


def brown(rgb: np.ndarray) -> np.ndarray:
    """Where the drawn product is, as a perfect network would say."""
    seen = rgb.astype(int)
    return (seen[..., 0] - seen[..., 2]) > 30


FAULTS = {
    "white": lambda: jpeg(product(ground=(250, 250, 250))),
    "share": lambda: jpeg(product(share=0.7)),
    "size": lambda: jpeg(product(600)),
    "text": lambda: jpeg(written(product(share=0.86), "限时特价 SALE", (20, 4), (200, 20, 20))),
    "watermark": lambda: jpeg(written(product(share=0.86), "shop 旗舰店", (600, 2), (230, 230, 230), 56)),
    "border": lambda: jpeg(ImageOps.expand(product(980), 10, (20, 20, 20))),
    "items": lambda: jpeg(two_items()),
    "blur": lambda: jpeg(product(share=0.87).filter(ImageFilter.GaussianBlur(8))),
    "colour": lambda: jpeg(product().convert("CMYK")),
    "transparency": lambda: saved(transparent(), "PNG"),
    "format": lambda: saved(product(), "WEBP", lossless=True),
    "animation": lambda: saved(product(), "GIF", save_all=True, append_images=[product(share=0.88)], duration=90),
    "generated": lambda: encode_picture(np.array(product()), Path("p.jpg"), recipe={"made_by": "generative model"}),
    "margin": lambda: jpeg(product().crop((50, 0, 950, 900)).resize((SIDE, SIDE))),
}


@pytest.fixture
def perfect_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut-out that knows what is brown, in place of the network."""
    from packshot.editing.scene import Scene
    from packshot.listing import measures

    def cutout(scene: Scene) -> Scene:
        if scene.alpha is not None:
            return scene
        return replace(scene, alpha=brown(scene.product).astype(np.uint8) * 255)

    monkeypatch.setattr(measures, "network_coverage", lambda photo, pack, **how: brown(photo).astype(np.float32))
    monkeypatch.setattr(measures, "cutout", cutout)
