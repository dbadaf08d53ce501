"""How wide the edges in a picture are, in pixels at a set scale: an estimate of blur that contrast does not change."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 512
"""Longest side at which edges are measured; a smaller picture is measured as it is, never enlarged."""
STRONGEST = 0.02
"""Share of the pixels whose gradients count as edges."""
REACH = 4
"""Pixels to each side of an edge that belong to its profile."""


def edge_blur(rgb: NDArray[np.uint8]) -> float | None:
    """Standard deviation, in pixels, of the Gaussian that would make a step into edges as wide as the picture's.

    Along the profile of such a step the energy of the first derivative over that of the second is 2 sigma², whatever
    its height. The second derivative is the Laplacian, its variance being the usual measure of sharpness (Pech-Pacheco
    et al. 2000), which this makes independent of contrast.

    Args:
        rgb: (H, W, 3) sRGB bytes, the product's box.

    Returns:
        Pixels at `SIDE`; None where there are no edges.
    """
    scale = SIDE / max(rgb.shape[:2])
    grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32)
    if scale < 1:
        size = (max(8, round(rgb.shape[1] * scale)), max(8, round(rgb.shape[0] * scale)))
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)
    grey = np.asarray(
        cv2.GaussianBlur(grey, (0, 0), 0.8), np.float32
    )  # derivatives of noise are larger than those of edges
    across, down = cv2.Scharr(grey, cv2.CV_32F, 1, 0) / 32, cv2.Scharr(grey, cv2.CV_32F, 0, 1) / 32
    slope = across**2 + down**2
    limit = float(np.quantile(slope, 1 - STRONGEST))
    if limit < 4:  # two levels a pixel
        return None
    near = cv2.dilate((slope >= limit).astype(np.uint8), np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)) > 0
    curve = cv2.Laplacian(grey, cv2.CV_32F, ksize=1) ** 2
    return float(np.sqrt(max(slope[near].mean() / (2 * max(curve[near].mean(), 1e-9)) - 0.8**2, 0)))
