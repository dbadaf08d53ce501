"""Putting a picture made on white onto another background, without touching the product's inner pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from packshot.errors import RequestError
from packshot.images import open_picture
from packshot.matte import cut_out, over

_SIDE_PER_PX = 72
"""Side of a picture over the pixels across which its outlines fade: drawn at 128 px, they are as soft at any size."""

Painter = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""(S, S, 3) on white -> (S, S, 3) on another background, or (S, S, 4)."""


def painter(background: str) -> Painter:
    """Choose what to do with the background; a picture is opened here, once, before anything is generated.

    Args:
        background: as in `GenerationRequest.background`.

    Raises:
        RequestError: it is none of the accepted forms.
        InputError: the picture cannot be read.
    """
    if background == "white":
        return lambda pixels: pixels
    if background == "transparent":
        return _cut
    if background.startswith("#"):
        colour = _hex_colour(background)
        return lambda pixels: over(_cut(pixels), np.broadcast_to(colour, pixels.shape))
    path = Path(background)
    if not path.is_file():
        raise RequestError("background", f"'{background}'", "white, transparent, #rrggbb or the path of a picture")
    scene = open_picture(path, where=str(path))
    return lambda pixels: over(_cut(pixels), _cover(scene, pixels.shape[0]))


def fading_px(side: int) -> int:
    """Pixels over which the outlines of a drawn picture of this side fade into its background."""
    return max(2, round(side / _SIDE_PER_PX))


def _cut(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cut_out(pixels, reach=fading_px(pixels.shape[0]))


def _hex_colour(text: str) -> NDArray[np.uint8]:
    digits = text[1:]
    if len(digits) == 3:
        digits = "".join(2 * d for d in digits)
    try:
        if len(digits) != 6:
            raise ValueError
        return np.frombuffer(bytes.fromhex(digits), np.uint8)
    except ValueError:
        raise RequestError("background", f"'{text}'", "a colour as #rrggbb, such as #f2ede4") from None


def _cover(scene: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    height, width = scene.shape[:2]
    edge = min(height, width)
    left, top = (width - edge) / 2, (height - edge) / 2
    picture = Image.fromarray(scene).resize(
        (side, side), Image.Resampling.LANCZOS, box=(left, top, left + edge, top + edge)
    )
    return np.asarray(picture)
