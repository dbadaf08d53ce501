"""A second checker of pictures for marketplaces, with Pillow and NumPy alone: it imports nothing of packshot.

Its limits were written down from the sources that docs/listing.md names, not read from packshot's table, so that a slip
in either shows. Not checked here, since Pillow and NumPy alone can't: lettering and watermarks. Size as advice is not
either, since a picture may be uploaded without it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageCms

FAR = 24
"""Pixels around anything that is not white in which a JPEG may be not quite white, and a half more."""
SLACK = 0.002
"""Of shares of the frame: a pixel of rounding in a picture of 500."""
SOFT = 4.5
"""Pixels, the frame being 512: a blur whose edges are wider is seen by everybody."""

_WEB = ("JPEG", "PNG", "GIF")
_SQUARE = {"square": True, "plain": True}
_WHITE = {"white": True, "whole": True, "one": True, "plain": True}
CHANNELS: dict[str, dict[str, Any]] = {
    "amazon-main": {"formats": (*_WEB, "TIFF"), "kb": (0, 10_240), "longest": (1000, 10_000), "srgb": True,
                    "fill": 0.85, "photo": True, **_WHITE},
    "amazon-secondary": {"formats": (*_WEB, "TIFF"), "kb": (0, 10_240), "longest": (1000, 10_000), "srgb": True},
    "taobao-main": {"formats": ("JPEG", "PNG"), "kb": (0, 3072), "shortest": (800, 99_999), **_SQUARE},
    "taobao-white": {"formats": ("JPEG",), "kb": (38, 300), "exactly": (800, 800), "colour": True, "least": 300,
                     "bare": True, **_WHITE},
    "tmall": {"formats": ("JPEG", "PNG"), "kb": (0, 3072), "shortest": (800, 99_999), **_SQUARE},
    "jd": {"formats": ("JPEG", "PNG"), "kb": (0, 1024), "shortest": (800, 99_999), **_SQUARE,
           "white": True},
    "pinduoduo": {"formats": ("JPEG", "PNG"), "kb": (0, 1024), "shortest": (480, 99_999), **_SQUARE},
    "douyin": {"formats": ("JPEG", "PNG"), "kb": (0, 5120), "shortest": (600, 99_999), **_SQUARE},
    "shopify": {"formats": (*_WEB, "WEBP"), "kb": (0, 20_480), "longest": (1, 5000), "megapixels": 25, "srgb": True,
                "moving": True, "clear": True},
    "google-merchant": {"formats": (*_WEB, "WEBP", "BMP", "TIFF"), "kb": (0, 16_384), "shortest": (250, 99_999),
                        "megapixels": 64, "plain": True, "marked": True, "clear": True},
    "ebay": {"formats": (*_WEB, "WEBP", "BMP", "TIFF", "AVIF"), "kb": (0, 12_288), "longest": (500, 99_999),
             "plain": True, "clear": True},
    "etsy": {"formats": _WEB, "kb": (0, 10_240), "srgb": True, "clear": True},
    "instagram": {"formats": ("JPEG",), "kb": (0, 8192), "width": (320, 1440), "aspect": (0.8, 1.91), "srgb": True,
                  "moving": True},
}  # fmt: skip
"""What each may be: `formats`; `kb` of 1,024 bytes; pixels of `shortest`, `longest`, `width`, `exactly`; width over
height `aspect`, or `square`; `srgb`; `colour`, not grey; `moving` and `clear`, where neither is refused; background
`white`, the product `whole`, `one`, filling the frame, and at `least` so many pixels; `plain`, without a frame; `bare`,
without a shadow; `photo`, not wholly by a model; `marked`, where a model was at work."""

_SOURCE = re.compile(rb"digitalsourcetype/([A-Za-z]+)")
_MADE = (b"trainedAlgorithmicMedia", b"compositeWithTrainedAlgorithmicMedia")


def complaints(data: bytes, channel: str) -> list[str]:
    """What is wrong with a file for a channel; nothing where it may be uploaded."""
    rules = CHANNELS[channel]
    with Image.open(io.BytesIO(data)) as image:
        found = _of_file(image, data, rules)
        pixels = np.asarray(image.convert("RGB"))
    found += _of_picture(pixels, rules)
    return found + (_of_white(pixels, rules) if rules.get("white") else [])


def _of_file(image: Image.Image, data: bytes, rules: dict[str, Any]) -> list[str]:
    width, height = image.size
    icc = image.info.get("icc_profile")
    name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))) if icc else "sRGB"
    sides = {"longest": max(width, height), "shortest": min(width, height), "width": width}
    low, high = rules.get("aspect", (1, 1) if rules.get("square") else (0, 1e9))
    slack = 1 / min(width, height)
    sources = set(_SOURCE.findall(data))
    wrong = {
        "format": image.format not in rules["formats"],
        "mode": image.mode not in ("RGB", "L", "RGBA", "P") or (bool(rules.get("colour")) and image.mode == "L"),
        "frames": getattr(image, "n_frames", 1) != 1 and not rules.get("moving"),
        "turned": image.getexif().get(274, 1) != 1,
        "profile": bool(rules.get("srgb")) and "srgb" not in name.lower(),
        "transparency": not rules.get("clear") and _transparent(image),
        "file size": not rules["kb"][0] <= len(data) / 1024 <= rules["kb"][1],
        "size": any(not rules[side][0] <= pixels <= rules[side][1] for side, pixels in sides.items() if side in rules)
        or rules.get("exactly", (width, height)) != (width, height)
        or width * height > 1e6 * rules.get("megapixels", 1e9),
        "shape": not low - slack <= width / height <= high + slack,
        "made": bool(rules.get("photo")) and _MADE[0] in sources,
        "mark": bool(rules.get("marked")) and b"AIGC" in data and not sources,
    }
    return [rule for rule, bad in wrong.items() if bad]


def _transparent(image: Image.Image) -> bool:
    return image.has_transparency_data and image.convert("RGBA").getextrema()[3][0] < 255


def _of_picture(pixels: np.ndarray, rules: dict[str, Any]) -> list[str]:
    found = ["blur"] if _edge_width(pixels) > SOFT else []
    return found + (["frame"] if rules.get("plain") and _framed(pixels) else [])


def _edge_width(pixels: np.ndarray) -> float:
    """Contrast over the steepest slopes of the picture at 512 px: how many pixels a step takes where it is sharpest."""
    image = Image.fromarray(pixels).convert("L")
    image.thumbnail((512, 512), Image.Resampling.BOX)
    grey = np.asarray(image, np.float32)
    steep = np.maximum(np.abs(np.diff(grey, axis=0))[:, :-1], np.abs(np.diff(grey, axis=1))[:-1])
    spread = np.quantile(grey, 0.98) - np.quantile(grey, 0.02)
    return float(spread / max(np.quantile(steep, 0.999), 1e-6)) if spread > 20 else 0.0


def _framed(pixels: np.ndarray) -> bool:
    """Whether opposite sides have a strip of one colour that ends, all along, in a step."""
    sides = [pixels, pixels[::-1], pixels.transpose(1, 0, 2), pixels[:, ::-1].transpose(1, 0, 2)]
    top, bottom, left, right = map(_strip, sides)
    return (top and bottom) or (left and right)


def _strip(pixels: np.ndarray) -> bool:
    inner = pixels[: len(pixels) // 12, pixels.shape[1] // 12 : -(pixels.shape[1] // 12)].astype(np.int16)
    even = np.flatnonzero(np.abs(inner - np.median(inner[0], axis=0)).max(axis=(1, 2)) > 24)
    if not len(even) or even[0] < 2:
        return False
    before, after = inner[even[0] - 2], inner[min(even[0] + 2, len(inner) - 1)]
    return float((np.abs(after - before).max(axis=1) > 24).mean()) > 0.97


def _of_white(pixels: np.ndarray, rules: dict[str, Any]) -> list[str]:
    height, width = pixels.shape[:2]
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    inked = (pixels < 245).any(axis=2)
    if not inked.any():
        return ["nothing to see"]
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    wide, high = columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1
    far = ~_grown(inked, FAR)
    margin = min(rows[0], columns[0], height - 1 - rows[-1], width - 1 - columns[-1])
    areas = sorted((area for area in _areas(inked)), reverse=True)
    wrong = {
        "white edge": not (edge == 255).all(),
        "white ground": not far.any() or (pixels[far] == 255).all(axis=1).mean() < 0.999,
        "fill": max(wide / width, high / height) < rules.get("fill", 0) - SLACK,
        "cut off": bool(rules.get("whole")) and margin < 1,
        "small product": max(wide, high) < rules.get("least", 0),
        "items": bool(rules.get("one")) and len(areas) > 1 and areas[1] > 0.25 * areas[0],
        "shadow": bool(rules.get("bare")) and _shadow(pixels) > 0.01,
    }
    return [rule for rule, bad in wrong.items() if bad]


def _areas(mask: np.ndarray) -> Iterator[int]:
    """Of the pieces of a mask at a hundredth of its size and more: those that a flood from one pixel reaches."""
    step = max(1, max(mask.shape) // 128)
    small = mask[: mask.shape[0] // step * step, : mask.shape[1] // step * step]
    small = small.reshape(small.shape[0] // step, step, small.shape[1] // step, step).any(axis=(1, 3))
    left = small.copy()
    while left.any():
        piece = np.zeros_like(left)
        piece.flat[np.argmax(left)] = True
        size = 0
        while piece.sum() > size:
            size = int(piece.sum())
            piece = _grown(piece, 1) & left
        left &= ~piece
        yield size


def _shadow(pixels: np.ndarray) -> float:
    """Share of the frame that is light, colourless and smooth, without being white: as a shadow on white is."""
    part = pixels[::2, ::2].astype(np.int16)
    grey = (part.max(2) - part.min(2) <= 10) & (part.min(2) > 150) & (part.max(2) < 246)
    slope = np.abs(np.diff(part[..., 1], axis=0, append=part[-1:, :, 1]))
    return float((grey & (slope <= 3)).mean())


def _grown(mask: np.ndarray, reach: int) -> np.ndarray:
    """By running sums along both axes: true wherever something is within `reach`."""
    for axis in (0, 1):
        sums = np.cumsum(
            np.pad(mask.astype(np.int32), [(reach + 1, reach) if a == axis else (0, 0) for a in (0, 1)]), axis
        )
        after = np.take(sums, range(2 * reach + 1, sums.shape[axis]), axis)
        before = np.take(sums, range(sums.shape[axis] - 2 * reach - 1), axis)
        mask = after > before
    return mask
