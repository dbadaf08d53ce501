"""Finding a product on a plain background, and framing it as the trade does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from packshot.colour import oklab_from_srgb

PRODUCT_SHARE = 0.85
"""Longest side of the product over the side of the frame (Amazon's rule for main pictures)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A product found on a plain background.

    Attributes:
        mask: (H, W) bool, True on the product.
        box: left, top, right, bottom in pixels; right and bottom are exclusive.
        background: (3,) OKLab median of the outer border.
        roughness: median distance in OKLab of border pixels to `background`; about 0 on a studio white.
    """

    mask: NDArray[np.bool_]
    box: tuple[int, int, int, int]
    background: NDArray[np.float32]
    roughness: float


def find_product(rgb: NDArray[np.uint8], tolerance: float = 0.035) -> Finding | None:
    """Find the product as what differs from the border's colour and is not background reached from the border.

    Args:
        rgb: (H, W, 3) sRGB bytes.
        tolerance: distance in OKLab up to which a pixel may still be background.

    Returns:
        The finding, or None where nothing stands out.
    """
    lab = oklab_from_srgb(rgb)
    border = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    background = np.median(border, axis=0).astype(np.float32)
    roughness = float(np.median(np.linalg.norm(border - background, axis=1)))
    similar = np.linalg.norm(lab - background, axis=-1) < tolerance
    mask = ~_reached_from_border(similar)
    mask = _without_specks(mask)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return Finding(mask, box, background, roughness)


def is_plain_white(finding: Finding) -> bool:
    """Whether the background is the trade's: light, without a tint, even."""
    lightness, a, b = (float(value) for value in finding.background)
    return lightness >= 0.93 and max(abs(a), abs(b)) <= 0.02 and finding.roughness <= 0.01


def _reached_from_border(open_: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of `open_` that are 4-connected to the border."""
    seed = np.zeros_like(open_)
    seed[0], seed[-1], seed[:, 0], seed[:, -1] = open_[0], open_[-1], open_[:, 0], open_[:, -1]
    return _flooded(seed, open_)


def _flooded(reached: NDArray[np.bool_], open_: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of `open_` 4-connected to `reached`, which is changed: sweeps in four directions until nothing changes."""
    while True:
        before = int(reached.sum())
        for view, passable in ((reached, open_), (reached[::-1], open_[::-1])):
            for row in range(1, len(view)):
                view[row] |= view[row - 1] & passable[row]
        for view, passable in ((reached.T, open_.T), (reached.T[::-1], open_.T[::-1])):
            for row in range(1, len(view)):
                view[row] |= view[row - 1] & passable[row]
        if int(reached.sum()) == before:
            return reached


def _pieces(mask: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """The 4-connected pieces of a mask."""
    left = mask.copy()
    while left.any():
        seed = np.zeros_like(left)
        seed.flat[int(left.argmax())] = True
        piece = _flooded(seed, left)
        left &= ~piece
        yield piece


def _without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Drop pixels with fewer than three neighbours of their kind among eight: JPEG noise and dust."""
    padded = np.pad(mask, 1).astype(np.int8)
    h, w = mask.shape
    neighbours = sum(padded[1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w] for dy in (-1, 0, 1) for dx in (-1, 0, 1)) - mask
    return np.asarray(mask & (neighbours >= 3))


def square_on_white(
    rgb: NDArray[np.uint8], box: tuple[int, int, int, int], side: int, largest_scale: float
) -> NDArray[np.uint8]:
    """Crop to the product, scale it to `PRODUCT_SHARE` of the frame and centre it on a white square.

    Args:
        rgb: (H, W, 3) sRGB bytes on a white background.
        box: the product, as in `Finding.box`.
        side: of the result, pixels.
        largest_scale: a small product is enlarged at the most by this factor.

    Returns:
        (side, side, 3) sRGB bytes.
    """
    left, top, right, bottom = box
    longest = max(right - left, bottom - top)
    scale = min(PRODUCT_SHARE * side / longest, largest_scale)
    reach = side / scale / 2
    cx, cy = (left + right) / 2, (top + bottom) / 2
    pad = int(np.ceil(reach)) + 2
    canvas = np.pad(rgb, ((pad, pad), (pad, pad), (0, 0)), constant_values=255)
    window = (cx - reach + pad, cy - reach + pad, cx + reach + pad, cy + reach + pad)
    framed = Image.fromarray(canvas).resize((side, side), Image.Resampling.LANCZOS, box=window)
    return np.asarray(framed)


def whiten(rgb: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scale the channels so that `background` becomes exact white; products keep their relation to it."""
    gain = 255.0 / np.maximum(background.astype(np.float32), 1.0)
    lifted = rgb.astype(np.float32) * gain
    return np.where(lifted >= 252.5, 255, np.rint(np.clip(lifted, 0, 255))).astype(np.uint8)


def clear_crumbs(rgb: NDArray[np.uint8], share: float = 0.02) -> NDArray[np.uint8]:
    """Paint over what lies beside the product: pieces of less than `share` of all that stands out, and their rims.

    Pairs and sets stay, since their pieces are larger.

    Args:
        rgb: (H, W, 3) sRGB bytes on white.
        share: of the area of everything that is not background.

    Returns:
        (H, W, 3) sRGB bytes.
    """
    finding = find_product(rgb)
    if finding is None:
        return rgb
    limit = share * int(finding.mask.sum())
    crumbs = [piece for piece in _pieces(finding.mask) if int(piece.sum()) < limit]
    if not crumbs:
        return rgb
    painted = np.logical_or.reduce(crumbs)
    kept = finding.mask & ~painted
    for _ in range(2):
        padded = np.pad(painted, 1)
        painted = padded[2:, 1:-1] | padded[:-2, 1:-1] | padded[1:-1, 2:] | padded[1:-1, :-2] | painted
    cleared = rgb.copy()
    cleared[painted & ~kept] = 255
    return cleared


def clear_haze(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make nearly white pixels exactly white, without an edge: the trade's white is 255, a network's is 254 or 250.

    Pixels fade into white as their darkest channel goes from 228 to 246; darker ones are copied.

    Args:
        rgb: (H, W, 3) sRGB bytes.

    Returns:
        (H, W, 3) sRGB bytes.
    """
    darkest = np.minimum(np.minimum(rgb[..., 0], rgb[..., 1]), rgb[..., 2])
    cleared = rgb.copy()
    cleared[darkest >= 246] = 255
    band = (darkest > 228) & (darkest < 246)
    fade = ((darkest[band].astype(np.float32) - 228.0) / 18.0)[:, None] ** 2
    cleared[band] = np.rint(rgb[band] + fade * (255.0 - rgb[band])).astype(np.uint8)
    return cleared
