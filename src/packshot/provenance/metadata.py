"""The metadata labels of a file of any kind that packshot reads, wherever their writers have put them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from PIL import ExifTags, Image

from packshot.errors import InputError
from packshot.images import opened
from packshot.provenance import xmp

_COMMENT_HEADERS = {b"UNICODE\0": "utf-16-be", b"ASCII\0\0\0": "ascii"}  # Exif 3.0, section 4.6.6, UserComment


def properties_of(data: bytes, name: str) -> dict[xmp.Name, str]:
    """Every simple property of the file's XMP, and an AIGC label that stands elsewhere under the name it has in XMP.

    The practice guide on GB 45438-2025 (TC260-PG-20258A, as reported) puts the label into XMP; earlier advice named the
    Exif comment and a PNG text called AIGC, and programs write those.

    Raises:
        InputError: no such picture, or its metadata is damaged.
    """
    found = xmp.properties(_packet(data, name), name)
    if xmp.AIGC not in found:
        elsewhere = next(_aigc_elsewhere(data, name), None)
        if elsewhere is not None:
            found[xmp.AIGC] = elsewhere
    return found


def _packet(data: bytes, name: str) -> str | None:
    """Pillow knows where XMP stands in kinds of files that packshot does not write."""
    if xmp.is_known(data):
        return xmp.read_packet(data, name)
    with opened(data, name) as image:
        raw = image.info.get("xmp")
    return raw.decode("utf-8", errors="replace").strip("\0") if isinstance(raw, bytes) else raw


def _aigc_elsewhere(data: bytes, name: str) -> Iterator[str]:
    with opened(data, name) as image:
        try:
            texts = [str(image.info.get("AIGC") or ""), _comment(image)]
        except Exception as error:  # readers of damaged Exif raise whatever they stumble over
            raise InputError(name, f"damaged metadata ({type(error).__name__})", "a picture, complete") from None
    for text in texts:
        try:
            row = json.loads(text[text.index("{") :])
        except ValueError:
            continue
        row = row.get("AIGC", row) if isinstance(row, dict) else row
        if isinstance(row, str):
            yield row
        elif isinstance(row, dict) and {"Label", "ContentProducer"} <= set(row):
            yield json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _comment(image: Image.Image) -> str:
    raw = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment, b"")
    if isinstance(raw, str):
        return raw
    codec = _COMMENT_HEADERS.get(bytes(raw[:8]))
    return bytes(raw[8:] if codec else raw).decode(codec or "utf-8", errors="replace")
