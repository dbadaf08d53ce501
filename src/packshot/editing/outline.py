"""The outline of a product: coverage and colours of its mixed pixels, from the colours on both sides of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from packshot.editing.scene import Bytes, Mask

UNSURE = (0.06, 0.94)
"""The network's coverage between which colours decide."""
DECISION = 2.0
"""Contrast of the network's coverage where it decides alone: a broad half is doubt there, hardly ever half a pixel."""
TELLING = 0.10
"""Distance of product and background in RGB (0 to 1.7) from which on colours are wholly believed; below half, not."""
STRANGE = 0.12
"""Distance in RGB of a pixel to the line between both sides' colours at which trust falls to a third."""
WINDOWS = {2: 1.0, 4: 1.0, 8: 0.5, 32: 0.0}
"""Windows in which colours are looked for, in reaches, and how far such colours are believed."""
SPECK = 0.01
"""Pieces smaller than this share of the largest one are dropped, and holes smaller than a tenth of it are filled."""
RIM_PX = 25
"""Window within which soft pixels belong to a piece."""
FUSION_SHARES = (0.024, 0.004)
"""Radii of blur fusion over the longest side."""
Floats = NDArray[np.floating[Any]]
"""float32 wherever pictures are large."""


class Sides(NamedTuple):
    """What is known around an outline; (H, W) or (H, W, 3) float32.

    Attributes:
        ours: colours of the product near each pixel.
        theirs: of the background.
        near: 1 where both were seen near by, 0 where they are a guess from afar.
        decided: the network's coverage, its doubts made smaller.
        inside: 1 where the product is sure.
        outside: 1 where the background is.
    """

    ours: Floats
    theirs: Floats
    near: Floats
    decided: Floats
    inside: Floats
    outside: Floats


def sides(photo: Bytes, rough: Floats, reach: float) -> Sides:
    """Colours on both sides of the outline.

    Args:
        photo: (H, W, 3) sRGB.
        rough: (H, W) the network's coverage.
        reach: pixels by which its outline may be wrong.
    """
    size = 2 * max(1, round(reach)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    inside = cv2.erode((rough > 0.5).astype(np.uint8), disc) * (rough > UNSURE[1])
    outside = cv2.erode((rough <= 0.5).astype(np.uint8), disc) * (rough < UNSURE[0])
    image = photo.astype(np.float32) / 255
    (ours, near), (theirs, close) = (_spread(image, known.astype(np.float32), reach) for known in (inside, outside))
    decided = ((rough - 0.5) * DECISION + 0.5).clip(0, 1)
    return Sides(ours, theirs, near * close, decided, inside.astype(np.float32), outside.astype(np.float32))


def mixture(photo: Bytes, around: Sides) -> Floats:
    """Coverage (H, W): whole inside, none outside, and between them solved from the mixture of both sides' colours.

    A third colour there is neither, and where the two sides look alike nothing can be solved: the network decides.
    """
    alpha = np.asarray(around.inside > 0.5, np.float32)
    band = (around.inside <= 0.5) & (around.outside <= 0.5)
    pixels, ours, theirs, near, decided = (part[band] for part in (photo, *around[:4]))
    towards, span = pixels.astype(np.float32) / 255 - theirs, ours - theirs
    squared = (span**2).sum(-1)
    mixed = ((towards * span).sum(-1) / np.maximum(squared, 1e-6)).clip(0, 1)
    residual = ((towards - mixed[..., None] * span) ** 2).sum(-1)
    trust = ((np.sqrt(squared) / TELLING - 0.5) * 2).clip(0, 1) * np.exp(-residual / STRANGE**2) * near
    alpha[band] = trust * mixed + (1 - trust) * decided
    return alpha


def specks(alpha: Floats) -> tuple[Mask, Mask]:
    """Pieces that are small beside the largest one, with their soft rims, and pinholes."""
    solid = (alpha > 0.5).astype(np.uint8)
    count, labels, facts, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    none = np.zeros(alpha.shape, np.bool_)
    if count < 2:
        return none, none
    areas = np.where(np.arange(count) > 0, facts[:, cv2.CC_STAT_AREA], 0)
    kept = (areas >= SPECK * areas.max())[labels]
    reach = np.ones((RIM_PX, RIM_PX), np.uint8)
    dropped = ~kept & (cv2.dilate(kept.astype(np.uint8), reach) == 0)
    dropped |= (solid > 0) & ~kept
    _, labels, facts, _ = cv2.connectedComponentsWithStats((~kept).astype(np.uint8), connectivity=4)
    pinhole = facts[:, cv2.CC_STAT_AREA] < SPECK / 10 * areas.max()
    pinhole[0] = False
    return dropped, pinhole[labels] & (alpha < UNSURE[1]) & ~dropped


def fused_colours(photo: Bytes, alpha: Floats) -> tuple[Floats, Floats]:
    """Colours of product and background everywhere, (H, W, 3) in 0 to 1, as if neither hid the other.

    Blur fusion, twice (Forte 2021, "Approximate Fast Foreground Colour Estimation", section 3).
    """
    image, a = photo.astype(np.float32) / 255, alpha[..., None]
    colour: Floats = image
    front = behind = image
    for share in FUSION_SHARES:
        window = (2 * max(1, round(share * max(alpha.shape))) + 1,) * 2
        weight = cv2.blur(alpha, window)[..., None]
        front = cv2.blur(colour * a, window) / np.maximum(weight, 1e-4)
        behind = cv2.blur(image * (1 - a), window) / np.maximum(1 - weight, 1e-4)
        colour = front + a * (image - a * front - (1 - a) * behind)
    return front, behind


def _spread(image: Floats, known: Floats, reach: float) -> tuple[Floats, Floats]:
    """Colours of the known pixels near each pixel, and 1 where they are near, 0 where far.

    They are means over growing windows, the smallest that holds any.
    """
    result, near = image.copy(), np.zeros(known.shape, np.float32)
    missing = np.ones(known.shape, np.bool_)
    for factor, closeness in WINDOWS.items():
        window = (2 * max(1, round(reach * factor / 2)) + 1,) * 2
        weight = cv2.blur(known, window)
        mean = cv2.blur(image * known[..., None], window) / np.maximum(weight, 1e-6)[..., None]
        fresh = missing & (weight > 0.02)
        result[fresh], near[fresh] = mean[fresh], closeness
        missing &= ~fresh
        if not missing.any():
            break
    return result, np.asarray(cv2.blur(near, (2 * round(reach) + 1,) * 2), np.float32)
