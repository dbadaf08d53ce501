"""Drawing on a scene's overlay: vector shapes, each drawn four times as large and averaged, and type."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from packshot.editing.scene import Bytes, Scene

Colour = tuple[int, int, int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""

_FINE = 4


def overlay_of(scene: Scene) -> Bytes:
    """A copy of the scene's overlay to draw on; an empty one where there is none."""
    return np.zeros((*scene.size, 4), np.uint8) if scene.overlay is None else scene.overlay.copy()


def paint(overlay: Bytes, mask: Bytes, colour: Colour, left: int, top: int) -> None:
    """Put a colour over part of the overlay, which is changed: straight alpha, "over" (Porter and Duff 1984).

    What of the mask lies beyond the overlay is left out.
    """
    y, x = max(0, -top), max(0, -left)
    part = overlay[top + y : top + mask.shape[0], left + x : left + mask.shape[1]]
    above = mask[y : y + part.shape[0], x : x + part.shape[1]].astype(np.float32) * (colour[3] / 255)
    below = part[..., 3] * (1 - above / 255)
    total = above + below
    mixed = above[..., None] * np.array(colour[:3], np.float32) + below[..., None] * part[..., :3]
    part[..., :3] = np.rint(mixed / np.maximum(total, 1e-6)[..., None]).astype(np.uint8)
    part[..., 3] = np.rint(total).astype(np.uint8)


def rounded_mask(size: tuple[int, int], radius: float) -> Bytes:
    """(height, width) filled, its corners rounded."""
    image = Image.new("L", (size[1] * _FINE, size[0] * _FINE))
    ImageDraw.Draw(image).rounded_rectangle((0, 0, image.width - 1, image.height - 1), radius * _FINE, fill=255)
    return np.asarray(image.reduce(_FINE))


def polygon_mask(points: Sequence[Point], size: tuple[int, int]) -> Bytes:
    """(height, width) with a polygon in it, soft at its edges."""
    image = Image.new("L", (size[1] * _FINE, size[0] * _FINE))
    ImageDraw.Draw(image).polygon([(x * _FINE, y * _FINE) for x, y in points], fill=255)
    return np.asarray(image.reduce(_FINE))


class Board:
    """An overlay to draw shapes on."""

    def __init__(self, overlay: Bytes) -> None:
        self.overlay = overlay

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon."""
        left, top = (math.floor(min(point[k] for point in points)) - 1 for k in range(2))
        right, bottom = (math.ceil(max(point[k] for point in points)) + 1 for k in range(2))
        mask = polygon_mask([(x - left, y - top) for x, y in points], (bottom - top, right - left))
        paint(self.overlay, mask, colour, left, top)

    def rectangle(self, box: Box, colour: Colour, radius: float = 0.0) -> None:
        """Fill a rectangle, with round corners where a radius is given."""
        self.polygon(rounded_outline(box, radius), colour)

    def ellipse(self, box: Box, colour: Colour) -> None:
        """Fill an ellipse."""
        left, top, right, bottom = box
        angles = np.linspace(0, 2 * np.pi, 181)[:-1]
        across, down = np.cos(angles) * (right - left) / 2, np.sin(angles) * (bottom - top) / 2
        self.polygon(_points(across + (left + right) / 2, down + (top + bottom) / 2), colour)

    def stamp(self, ink: Bytes, colour: Colour, left: float, top: float) -> None:
        """Put down a mask (H, W) of ink."""
        paint(self.overlay, ink, colour, round(left), round(top))


def inset(box: Box, by: float) -> Box:
    """A box made smaller on every side."""
    return box[0] + by, box[1] + by, box[2] - by, box[3] - by


def rounded_outline(box: Box, radius: float) -> list[Point]:
    """The outline of a rectangle whose corners are quarters of circles."""
    left, top, right, bottom = box
    radius = max(0.0, min(radius, (right - left) / 2, (bottom - top) / 2))
    if radius == 0:
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    points: list[Point] = []
    for x, y, start in ((right, top, -90), (right, bottom, 0), (left, bottom, 90), (left, top, 180)):
        middle = (x - radius if x == right else x + radius, y - radius if y == bottom else y + radius)
        angles = np.radians(np.linspace(start, start + 90, 16))
        points += _points(middle[0] + radius * np.cos(angles), middle[1] + radius * np.sin(angles))
    return points


def smooth(points: Sequence[Point], parts: int = 8) -> list[Point]:
    """A closed curve through the points (Catmull and Rom 1974)."""
    known = np.array(points, np.float64)
    before, after, next_ = np.roll(known, 1, 0), np.roll(known, -1, 0), np.roll(known, -2, 0)
    t = np.linspace(0, 1, parts, endpoint=False)[None, :, None]
    a, b, c, d = (part[:, None] for part in (before, known, after, next_))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    flat = curve.reshape(-1, 2)
    return _points(flat[:, 0], flat[:, 1])


def _points(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> list[Point]:
    return list(zip(xs.tolist(), ys.tolist(), strict=True))
