"""Repaired pictures as bytes: the best quality that a channel's limits allow, with the labels the picture had."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from packshot.editing.scene import Bytes
from packshot.images import encode_picture
from packshot.listing.facts import Facts

SUFFIXES = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}
BEST, USUAL, WORST = 100, 95, 60
"""JPEG and WebP quality: the highest one, the highest one that is worth its bytes, and the lowest that is sold."""

_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"  # XMP specification, part 3, section 1.1.3
_SEGMENT_LIMIT = 65_533
_XMP_CHUNK = b"XML:com.adobe.xmp\0\0\0\0\0"  # part 3, section 1.1.5: keyword, not compressed, no language


class NotEncodedError(Exception):
    """A picture that no accepted quality brings within the limits, or whose labels the format can't hold."""


def encode(pixels: Bytes, form: str, facts: Facts, low_bytes: float, high_bytes: float) -> tuple[bytes, int | None]:
    """A picture within limits of size; the same arguments give the same bytes.

    Args:
        pixels: (H, W, 3) sRGB bytes.
        form: "jpeg", "png" or "webp".
        facts: of the picture it was made from, whose recipe and XMP are carried over.
        low_bytes: of the file, at the least.
        high_bytes: at the most.

    Returns:
        The bytes, and the quality; None for PNG.

    Raises:
        NotEncodedError: no quality from `WORST` to `BEST` is within the limits, or the labels don't fit.
    """

    def at(quality: int) -> bytes:
        plain = encode_picture(pixels, Path(f"picture{SUFFIXES[form]}"), recipe=facts.recipe, quality=quality)
        return _with_xmp(plain, form, facts.xmp)

    if form == "png":
        data = at(BEST)
        _insist(low_bytes <= len(data) <= high_bytes, f"a PNG of {len(data) / 1024:.0f} KB")
        return data, None
    quality = _highest(lambda q: len(at(q)) <= high_bytes, WORST, USUAL)
    _insist(quality is not None, f"{len(at(WORST)) / 1024:.0f} KB at quality {WORST}")
    assert quality is not None
    data = at(quality)
    while len(data) < low_bytes and quality < BEST:
        quality += 1
        data = at(quality)
    _insist(low_bytes <= len(data) <= high_bytes, f"{len(data) / 1024:.0f} KB at quality {quality}")
    return data, quality


def _highest(fits: Callable[[int], bool], low: int, high: int) -> int | None:
    """By bisection: a file grows with its quality, but for a few bytes."""
    if fits(high):
        return high
    if not fits(low):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _insist(fits: bool, what: str) -> None:
    if not fits:
        raise NotEncodedError(what)


def _with_xmp(data: bytes, form: str, xmp: bytes | None) -> bytes:
    """The packet as it was: a label is never stripped."""
    if xmp is None:
        return data
    if form == "jpeg":
        body = _XMP_SEGMENT + xmp
        _insist(len(body) <= _SEGMENT_LIMIT, f"an XMP packet of {len(xmp):,} bytes")
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    if form == "png":
        body = b"iTXt" + _XMP_CHUNK + xmp
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        return data[:33] + chunk + data[33:]  # behind the signature and IHDR
    raise NotEncodedError("an XMP packet, which is not carried into WebP")
