"""Wide Gaussian blurs whose cost does not grow with their width."""

from __future__ import annotations

import cv2
import numpy as np

from packshot.editing.noise import Field, resized

_LEAST = 4.0
"""Pixels of standard deviation that are kept when a picture is reduced before it is blurred: no trace is left."""


def soft(field: Field, across: float, down: float | None = None, *, border: int = cv2.BORDER_REPLICATE) -> Field:
    """Gaussian blur of (H, W) or (H, W, 3) by standard deviations in pixels, at a reduced size where they are wide.

    Args:
        field: any float32 values.
        across: along rows.
        down: along columns; as `across` where left out.
        border: OpenCV's kind; values outside of the picture.

    Returns:
        The same shape.
    """
    down = across if down is None else down
    h, w = field.shape[:2]
    kx, ky = (max(1.0, sigma / _LEAST) for sigma in (across, down))
    small = (min(w, max(4, round(w / kx))), min(h, max(4, round(h / ky))))
    if small == (w, h):
        return _blurred(field, across, down, border)
    reduced = resized(field, small)
    done = _blurred(reduced, across * small[0] / w, down * small[1] / h, border)
    return resized(done, (w, h), cv2.INTER_CUBIC)


def _blurred(field: Field, across: float, down: float, border: int) -> Field:
    if max(across, down) < 0.05:
        return field
    return np.asarray(
        cv2.GaussianBlur(field, (0, 0), max(across, 0.05), sigmaY=max(down, 0.05), borderType=border), np.float32
    )
