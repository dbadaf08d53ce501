"""Bringing a generated product's main colour onto the colour that was asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from packshot.colour import main_colours, oklab_from_srgb, srgb_from_oklab
from packshot.framing import find_product

FARTHEST = 0.30
"""Distance in OKLab beyond which a product is left alone: it is another colour, not a drifted one."""


def lock_colour(
    pixels: NDArray[np.uint8], wanted: tuple[float, float, float], strength: float
) -> tuple[NDArray[np.uint8], float]:
    """Shift the product's main colour towards a wanted one; other parts of the product and the background stay.

    A pixel moves by its likeness to the main colour: exp(-d^2 / 2s^2) over its OKLab distance d, with lightness
    counted at 0.4 so that shading moves along with its surface.

    Args:
        pixels: (H, W, 3) sRGB on white.
        wanted: OKLab.
        strength: 0 changes nothing, 1 moves the main colour all the way.

    Returns:
        (H, W, 3) sRGB, and the distance in OKLab between the main colour before and `wanted`.
    """
    finding = find_product(pixels)
    if finding is None:
        return pixels, 0.0
    lab = oklab_from_srgb(pixels)
    main = main_colours(lab[finding.mask], 1, sample=500)[0][0]
    shift = np.asarray(wanted, np.float32) - main
    distance = float(np.linalg.norm(shift))
    if strength == 0 or distance > FARTHEST:
        return pixels, distance
    away = lab - main
    likeness = np.exp(-((0.4 * away[..., 0]) ** 2 + away[..., 1] ** 2 + away[..., 2] ** 2) / (2 * 0.09**2))
    moved = lab + (strength * likeness * finding.mask)[..., None] * shift
    return np.where(finding.mask[..., None], srgb_from_oklab(moved), pixels), distance
