"""A photo that pictures shall resemble: the product found on its plain background, framed as a generator knows it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from packshot.colour import main_colours, oklab_from_srgb, srgb_from_oklab
from packshot.errors import InputError
from packshot.framing import find_product, is_plain_white, square_on_white, whiten
from packshot.images import open_picture, reduced

WORKING_PX = 1024
LARGEST_SCALE = 4.0
SECOND_COLOUR_SHARE = 0.15
Oklab = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Reference:
    """A product to start from.

    Attributes:
        pixels: (side, side, 3) sRGB bytes, on white.
        colours: one or two main colours in OKLab, the larger share first.
        sha256: of the photo's file.
    """

    pixels: NDArray[np.uint8]
    colours: tuple[Oklab, ...]
    sha256: str


def open_reference(path: Path, side: int, *, where: str = "like") -> Reference:
    """Read a photo of one product on a plain white background.

    Args:
        path: of the photo.
        side: of the result, pixels.
        where: the option that names the photo, for messages.

    Raises:
        InputError: it is no readable picture, shows nothing, or has another background.
    """
    where = f"{where}: {path}"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(where, error.strerror or "an unreadable file", "a photo") from None
    rgb = reduced(open_picture(data, where=where), WORKING_PX)
    finding = find_product(rgb)
    if finding is None or not is_plain_white(finding):
        got = "nothing on its background" if finding is None else "a background that is not plain white"
        raise InputError(where, got, "a photo of one product on plain white")
    white = whiten(rgb, srgb_from_oklab(finding.background))
    found = main_colours(oklab_from_srgb(rgb)[finding.mask])
    kept = [colour for index, (colour, share) in enumerate(found) if not index or share > SECOND_COLOUR_SHARE]
    colours = tuple((float(lab[0]), float(lab[1]), float(lab[2])) for lab in kept)
    framed = square_on_white(white, finding.box, side, LARGEST_SCALE)
    return Reference(framed, colours, hashlib.sha256(data).hexdigest())
