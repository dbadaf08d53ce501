"""A second checker of pictures for marketplaces, with Pillow and NumPy alone: it imports nothing of packshot."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

FAR = 24
"""Pixels around anything that is not white in which a JPEG may be not quite white, and a half more."""
CHANNELS = {
    "amazon-main": {"formats": ("JPEG", "PNG", "TIFF", "GIF"), "kb": (0, 10_240), "longest": (1000, 10_000),
                    "fill": 0.85, "white": True},
    "taobao-white": {"formats": ("JPEG",), "kb": (38, 300), "exactly": (800, 800), "white": True, "least": 300},
    "taobao-main": {"formats": ("JPEG", "PNG"), "kb": (0, 3072), "longest": (800, 99_999), "square": True},
    "jd": {"formats": ("JPEG", "PNG"), "kb": (0, 1024), "longest": (800, 99_999), "square": True, "white": True},
}  # fmt: skip


def complaints(data: bytes, channel: str) -> list[str]:
    """What is wrong with a file for a channel; nothing where it may be uploaded."""
    rules = CHANNELS[channel]
    with Image.open(io.BytesIO(data)) as image:
        found = _of_file(image, len(data) / 1024, rules)
        pixels = np.asarray(image.convert("RGB"))
    return found + (_of_white(pixels, rules) if rules.get("white") else [])


def _of_file(image: Image.Image, kilobytes: float, rules: dict) -> list[str]:
    width, height = image.size
    icc = image.info.get("icc_profile")
    name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))) if icc else "sRGB"
    low, high = rules.get("longest", (1, 99_999))
    wrong = {
        "format": image.format not in rules["formats"],
        "mode": image.mode not in ("RGB", "L"),
        "frames": getattr(image, "n_frames", 1) != 1,
        "turned": image.getexif().get(274, 1) != 1,
        "profile": "srgb" not in name.lower(),
        "file size": not rules["kb"][0] <= kilobytes <= rules["kb"][1],
        "size": not low <= max(width, height) <= high or rules.get("exactly", (width, height)) != (width, height),
        "shape": bool(rules.get("square")) and width != height,
    }
    return [rule for rule, bad in wrong.items() if bad]


def _of_white(pixels: np.ndarray, rules: dict) -> list[str]:
    height, width = pixels.shape[:2]
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    inked = (pixels < 245).any(axis=2)
    if not inked.any():
        return ["nothing to see"]
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    wide, high = columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1
    far = ~_grown(inked, FAR)
    wrong = {
        "white edge": not (edge == 255).all(),
        "white ground": not far.any() or (pixels[far] == 255).all(axis=1).mean() < 0.999,
        "fill": max(wide / width, high / height) < rules.get("fill", 0) - 0.002,
        "cut off": min(rows[0], columns[0], height - 1 - rows[-1], width - 1 - columns[-1]) < 1,
        "small product": max(wide, high) < rules.get("least", 0),
    }
    return [rule for rule, bad in wrong.items() if bad]


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
