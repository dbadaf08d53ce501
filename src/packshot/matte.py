"""The coverage of a product on white, solved from the picture alone, and compositing. Knows no files and no models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from packshot.framing import find_product

HOLE_SHARE = 0.001
"""Smaller enclosed patches of exact white are highlights."""


def cut_out(
    pixels: NDArray[np.uint8], *, see_through: bool = False, reach: int = 2, holes: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Make the white background transparent.

    Inside the product alpha is 255 and colours are copied. In a band of `reach` pixels on both sides of its outline
    alpha and colour are solved from p = alpha * f + (1 - alpha) * white, with f taken from the nearest inner pixels.

    Args:
        pixels: (H, W, 3) sRGB of a product on white.
        see_through: what is exactly white and enclosed by the product (the loop of a handle) is background too.
        reach: pixels over which the outline fades into the white; a picture that was enlarged fades over more of them,
            and what of that is left outside of the band is seen as a light rim before a dark background.
        holes: (H, W) further background that is enclosed by the product, as far as it is known.

    Returns:
        (H, W, 4) sRGB with straight alpha.
    """
    finding = find_product(pixels)
    if finding is None:
        return np.dstack([pixels, np.zeros(pixels.shape[:2], np.uint8)])
    mask = finding.mask & ~_holes(pixels, finding.mask) if see_through else finding.mask
    if holes is not None:
        mask = mask & ~holes
    inner = _inner(mask, reach)
    band = ~eroded(~mask, reach) & ~inner
    foreground = _continued(pixels, inner, reach)
    towards = 255.0 - foreground
    span = np.maximum((towards**2).sum(-1), 1.0)
    alpha = np.clip(((255.0 - pixels) * towards).sum(-1) / span, 0.0, 1.0)
    alpha = np.where(span < 30.0**2, mask, alpha)  # white on white: the outline alone decides
    alpha = np.where(inner, 1.0, np.where(band, alpha, 0.0))
    colour = np.where(band[..., None], foreground, pixels)
    return np.dstack([np.rint(colour), np.rint(alpha * 255)]).astype(np.uint8)


def _inner(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Pixels that are wholly the product's: so deep in it, and where a part is too thin for that, as deep as can be."""
    inner = eroded(mask, reach)
    for depth in (reach // 2, 2):
        if 2 <= depth < reach:
            far = mask & eroded(~inner, 2 * reach)
            inner |= far & eroded(mask, depth)
    return inner


def over(rgba: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Composite straight-alpha sRGB over an opaque background of the same size (Porter and Duff 1984, "over")."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return np.rint(rgba[..., :3] * alpha + background * (1 - alpha)).astype(np.uint8)


def _holes(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Exact white inside of the mask that is wide enough to be background: opened by a square of the least side."""
    white = mask & (pixels.min(-1) >= 252)
    radius = max(1, round((HOLE_SHARE * mask.size) ** 0.5 / 2))
    return np.asarray(~eroded(~eroded(white, radius), radius) & white)


def eroded(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Erode by a square of the given radius; outside of the picture counts as the mask's own edge value."""
    for _ in range(radius):
        padded = np.pad(mask, 1, mode="edge")
        rows = padded[:-2] & padded[1:-1] & padded[2:]
        mask = rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
    return mask


def _continued(pixels: NDArray[np.uint8], inner: NDArray[np.bool_], reach: int) -> NDArray[np.float32]:
    """The colours of inner pixels, continued over the band; reckoned on a coarser picture where the band is wide."""
    colours = pixels.astype(np.float32)
    coarse = reach // 3
    if coarse < 2:
        return _spread(colours, inner, 3 * reach)
    (h, w), known = inner.shape, inner.astype(np.float32)
    rows, columns = -h % coarse, -w % coarse

    def reduced(values: NDArray[np.float32]) -> NDArray[np.float32]:
        whole = np.pad(values, [(0, rows), (0, columns)] + [(0, 0)] * (values.ndim - 2))
        shape = (whole.shape[0] // coarse, coarse, whole.shape[1] // coarse, coarse, *values.shape[2:])
        return np.asarray(whole.reshape(shape).mean((1, 3)), np.float32)

    share = reduced(known)
    means = reduced(colours * known[..., None]) / np.maximum(share, np.float32(1e-6))[..., None]
    small = _spread(np.where(share[..., None] > 0, means, reduced(colours)), share > 0, 9)
    size, box = (w, h), (0, 0, w / coarse, h / coarse)
    planes = [Image.fromarray(np.ascontiguousarray(small[..., k])) for k in range(3)]
    grown = [np.asarray(plane.resize(size, Image.Resampling.BILINEAR, box)) for plane in planes]
    return np.where(inner[..., None], colours, np.stack(grown, -1)).astype(np.float32)


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
