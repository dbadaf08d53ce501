"""Small versions of pictures, for pages that show many; made when first asked for, kept beside the assets."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageOps

from packshot.errors import InputError
from packshot.images import opened, write_atomically
from packshot.server.assets import Asset, Assets

SIDES_PX = (256, 512, 1024)
"""Longer sides that can be asked for: few, so that a client can't fill the disk."""

_QUALITY = 82


def preview_of(assets: Assets, asset: Asset, side_px: int) -> Path:
    """A WebP of a picture, upright, in sRGB or its own profile, with its transparency; in a thread of its own.

    Args:
        assets: where it lies.
        asset: a picture.
        side_px: of `SIDES_PX`; smaller pictures stay as they are.

    Raises:
        InputError: it is no picture.
    """
    path = assets.preview_path_of(asset.sha256, side_px)
    if path.exists():
        return path
    if not asset.media_type.startswith("image/"):
        raise InputError(asset.name, asset.media_type, "a picture")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _encoded(assets.path_of(asset.sha256), side_px, asset.name))
    return path


def _encoded(path: Path, side_px: int, where: str) -> bytes:
    with opened(path, where) as image:
        profile = image.info.get("icc_profile")
        image.draft("RGB", (2 * side_px, 2 * side_px))  # JPEG decodes at an eighth to a half
        try:
            upright = ImageOps.exif_transpose(image)
            mode = "RGBA" if upright.has_transparency_data else "RGB"
            if upright.mode == "CMYK":
                profile = None
            small = upright.convert(mode)
            small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
        except (OSError, ValueError) as error:
            raise InputError(where, f"a damaged picture ({error})", "a complete one") from None
        buffer = io.BytesIO()
        small.save(buffer, "WEBP", quality=_QUALITY, method=4, icc_profile=profile or b"")
    return buffer.getvalue()
