"""What a picture's file says before its pixels are looked at: format by content, colour model, frames, marks."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image, ImageCms

from packshot.errors import InputError
from packshot.images import opened, read_recipe

GENERATED = "trainedAlgorithmicMedia"
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
CREDENTIALS = "C2PA content credentials"
"""As `Facts.fixed_labels` calls them."""
_SOURCE_TYPE = re.compile(rb"digitalsourcetype/([A-Za-z]+)")
"""IPTC NewsCodes digitalsourcetype, as XMP holds it."""

_MODELS = {"L": "grey", "LA": "grey", "1": "grey", "I;16": "grey", "I": "grey", "CMYK": "cmyk"}
_CARRIED_XMP = ("xmp", "XML:com.adobe.xmp")
_LABEL_KEYS = ("AIGC",)
"""Text chunks that are labels: GB 45438-2025, annex on metadata."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says of itself.

    Attributes:
        size_bytes: of the file.
        format: "jpeg", "png" … by content, whatever the name says.
        width_px: as a viewer shows it, so after Exif orientation.
        height_px: likewise.
        frames: 1 for a still.
        model: "rgb", "grey" or "cmyk".
        profile: description of the embedded ICC profile; None without one.
        srgb: whether colours are sRGB: no profile at all, or that one.
        turned: whether Exif says that a viewer turns or mirrors it.
        recipe: that packshot wrote into it; None without.
        source_type: IPTC DigitalSourceType, its last part; None without.
        xmp: the packet, to be carried over; None without.
        fixed_labels: labels that can't be carried into another file, by name.
    """

    size_bytes: int
    format: str
    width_px: int
    height_px: int
    frames: int
    model: str
    profile: str | None
    srgb: bool
    turned: bool
    recipe: dict[str, Any] | None
    source_type: str | None
    xmp: bytes | None
    fixed_labels: tuple[str, ...]

    @property
    def generated(self) -> bool:
        """Whether the whole picture was made by a generative model, as far as the file says."""
        return (self.recipe or {}).get("made_by") == "generative model" or self.source_type == GENERATED

    @property
    def labelled(self) -> bool:
        """Whether the file bears any mark of having been made or changed by a model."""
        return self.generated or self.source_type is not None or bool(self.fixed_labels)


def read_facts(data: bytes, where: str) -> Facts:
    """The facts of an encoded picture.

    Raises:
        InputError: it is no picture, damaged in its header, or has too many pixels.
    """
    with opened(data, where) as image:
        width, height = image.size
        turn = 1
        with contextlib.suppress(Exception):  # as in images.open_layers: a damaged Exif says nothing
            turn = int(image.getexif().get(ExifTags.Base.Orientation, 1))
        if turn in (5, 6, 7, 8):
            width, height = height, width
        profile, srgb = _profile(image)
        xmp = _xmp(image)
        return Facts(
            size_bytes=len(data),
            format=(image.format or "").lower(),
            width_px=width,
            height_px=height,
            frames=int(getattr(image, "n_frames", 1)),
            model=_MODELS.get(image.mode, "rgb"),
            profile=profile,
            srgb=srgb,
            turned=turn not in (0, 1),
            recipe=_recipe(data, where),
            source_type=_source_type(xmp),
            xmp=xmp,
            fixed_labels=_fixed_labels(data, image.info),
        )


def _profile(image: Image.Image) -> tuple[str | None, bool]:
    data = image.info.get("icc_profile")
    if not data:
        return None, True
    try:
        profile = ImageCms.getOpenProfile(io.BytesIO(data)).profile
        name = (profile.profile_description or "").strip() or "without a name"
    except (ImageCms.PyCMSError, OSError, ValueError):
        return "damaged", False
    return name, name.lower().replace(" ", "").startswith("srgb")


def _xmp(image: Image.Image) -> bytes | None:
    for key in _CARRIED_XMP:
        packet = image.info.get(key)
        if packet:
            return packet.encode() if isinstance(packet, str) else bytes(packet)
    return None


def _source_type(xmp: bytes | None) -> str | None:
    found = _SOURCE_TYPE.search(xmp or b"")
    return found[1].decode() if found else None


def _recipe(data: bytes, where: str) -> dict[str, Any] | None:
    with contextlib.suppress(InputError):  # damaged metadata says nothing
        return read_recipe(data, where=where)
    return None


def _fixed_labels(data: bytes, info: dict[Any, Any]) -> tuple[str, ...]:
    found = [key for key in _LABEL_KEYS if key in info]
    if b"jumbf" in data[:2_000_000] or b"c2pa" in data[:2_000_000] or b"caBX" in data[:200_000]:
        found.append(CREDENTIALS)
    return tuple(found)
