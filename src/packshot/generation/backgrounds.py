"""Putting a picture made on white onto another background, without touching the product's inner pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from packshot.errors import RequestError
from packshot.framing import find_product
from packshot.images import open_picture

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
        return cut_out
    if background.startswith("#"):
        colour = _hex_colour(background)
        return lambda pixels: over(cut_out(pixels), np.broadcast_to(colour, pixels.shape))
    path = Path(background)
    if not path.is_file():
        raise RequestError("background", f"'{background}'", "white, transparent, #rrggbb or the path of a picture")
    scene = open_picture(path, where=str(path))
    return lambda pixels: over(cut_out(pixels), _cover(scene, pixels.shape[0]))


def cut_out(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make the white background transparent.

    Inside the product alpha is 255 and colours are copied. In a band of about two pixels around its outline alpha and
    colour are solved from p = alpha * f + (1 - alpha) * white, with f taken from the nearest inner pixels.

    Args:
        pixels: (H, W, 3) sRGB of a product on white.

    Returns:
        (H, W, 4) sRGB with straight alpha.
    """
    finding = find_product(pixels)
    if finding is None:
        return np.dstack([pixels, np.zeros(pixels.shape[:2], np.uint8)])
    inner = _eroded(finding.mask, 2)
    reach = ~_eroded(~finding.mask, 2)
    band = reach & ~inner
    foreground = _spread(pixels.astype(np.float32), inner, 6)
    towards = 255.0 - foreground
    span = np.maximum((towards**2).sum(-1), 1.0)
    alpha = np.clip(((255.0 - pixels) * towards).sum(-1) / span, 0.0, 1.0)
    alpha = np.where(span < 30.0**2, finding.mask, alpha)  # white on white: the outline alone decides
    alpha = np.where(inner, 1.0, np.where(band, alpha, 0.0))
    colour = np.where(band[..., None], foreground, pixels)
    return np.dstack([np.rint(colour), np.rint(alpha * 255)]).astype(np.uint8)


def over(rgba: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Composite straight-alpha sRGB over an opaque background of the same size (Porter and Duff 1984, "over")."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return np.rint(rgba[..., :3] * alpha + background * (1 - alpha)).astype(np.uint8)


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


def _eroded(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Erode by a square of the given radius; outside of the picture counts as the mask's own edge value."""
    for _ in range(radius):
        padded = np.pad(mask, 1, mode="edge")
        rows = padded[:-2] & padded[1:-1] & padded[2:]
        mask = rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
    return mask


def _spread(colours: NDArray[np.float32], known: NDArray[np.bool_], rounds: int) -> NDArray[np.float32]:
    """Grow known colours outwards: each round an unknown pixel becomes the mean of its known neighbours."""
    values, weight = colours * known[..., None], known.astype(np.float32)
    for _ in range(rounds):
        total, count = _box_sum(values * weight[..., None]), _box_sum(weight)
        fresh = (weight == 0) & (count > 0)
        values = np.where(fresh[..., None], total / np.maximum(count, 1)[..., None], values)
        weight = np.where(fresh, 1.0, weight).astype(np.float32)
    return np.asarray(np.where(weight[..., None] > 0, values, colours), np.float32)


def _box_sum(values: NDArray[np.float32]) -> NDArray[np.float32]:
    pad = [(1, 1), (1, 1)] + [(0, 0)] * (values.ndim - 2)
    p = np.pad(values, pad)
    rows = p[:-2] + p[1:-1] + p[2:]
    return np.asarray(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:], np.float32)
