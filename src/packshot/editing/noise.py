"""Random fields for drawn scenes: band-limited sums of octaves, and the last step to bytes without bands."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from packshot.editing.scene import Bytes

Field = NDArray[np.floating[Any]]
"""float32 throughout; the type checker cannot tell, since it takes products with Python's numbers for float64."""
_CELLS = 128
"""Independent values along a side of the tile that all fields are read from."""
_FINE = 8
"""Pixels of the tile to a cell: OpenCV's remap places samples at 1/32 of a pixel, which shows where cells are large."""
_SIDE = _CELLS * _FINE
_TURN = 2.399963
"""Radians between octaves (the golden angle), so that no direction of the tile's grid adds up."""
_STRIP = 512
_DITHER = 0.5
"""Bytes: half the width of each of the two uniform variables whose sum hides quantisation."""


class Noise:
    """Fields of one seed. Each call gives another field; the same calls in the same order give the same fields."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        cells = np.pad(self.rng.standard_normal((_CELLS, _CELLS)).astype(np.float32), 4, mode="wrap")
        fine = cv2.resize(cells, None, fx=_FINE, fy=_FINE, interpolation=cv2.INTER_CUBIC)
        tile = fine[4 * _FINE : -4 * _FINE, 4 * _FINE : -4 * _FINE]
        self._tile = np.ascontiguousarray(tile / tile.std())

    def octave(self, u: Field, v: Field) -> Field:
        """One octave with cells of 1: mean 0, variance 1; u and v (H, W)."""
        du, dv = self.rng.random(2) * _SIDE
        x, y = _wrapped(u * _FINE + du), _wrapped(v * _FINE + dv)
        found = cv2.remap(self._tile, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        return np.asarray(found, np.float32)

    def fbm(
        self, u: Field, v: Field, *, cell: float, octaves: int, footprint: Field, gain: float = 0.55, turn: bool = True
    ) -> Field:
        """Fractional Brownian motion (Mandelbrot and van Ness 1968; Perlin 1985), octaves fading below a pixel's size.

        Args:
            u: (H, W) places; v the same.
            v: see u.
            cell: of the coarsest octave, in units of u and v; each next one is half as large.
            octaves: at the most.
            footprint: (H, 1) or (1, 1) size of a pixel in the units of u and v.
            gain: amplitude of an octave relative to the one before it.
            turn: whether octaves are turned against each other; not for fields stretched along an axis.

        Returns:
            (H, W), mean 0; variance 1 where no octave is fine for the pixels.
        """
        total, power = np.zeros(u.shape, np.float32), 0.0
        for k in range(octaves):
            size, weight = cell / 2**k, gain**k
            power += weight**2
            seen = np.clip(size / footprint / 1.5 - 1.0, 0.0, 1.0).astype(np.float32)
            if not seen.any():
                continue
            c, s = (np.cos(k * _TURN), np.sin(k * _TURN)) if turn else (1.0, 0.0)
            x, y = np.float32(c / size), np.float32(s / size)
            total += (weight * seen) * self.octave(u * x - v * y, u * y + v * x)
        return total / np.float32(np.sqrt(power))


def to_bytes(values: Field, noise: np.random.Generator, grain: float = 0.0) -> Bytes:
    """Round sRGB values (H, W, 3) in 0 to 255 with triangular dither (Lipshitz et al. 1992), and grain in bytes."""
    shape = values.shape
    spread = noise.random(shape, np.float32) - noise.random(shape, np.float32)
    spread *= 2 * _DITHER
    if grain:
        spread += grain * noise.standard_normal((*shape[:2], 1), np.float32)
    return np.clip(np.rint(values + spread), 0, 255).astype(np.uint8)


def enlarged(values: Field, size: tuple[int, int], seed: int, grain: float) -> Bytes:
    """A small picture (h, w, 3) of sRGB values at (height, width), in strips; grain and dither at full resolution."""
    (height, width), (h, w) = size, values.shape[:2]
    rng, seen = np.random.default_rng(seed), np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP):
        rows = min(_STRIP, height - top)
        if (height, width) == (h, w):
            strip = values[top : top + rows]
        else:
            sx, sy = w / width, h / height
            where = np.array([[sx, 0, sx / 2 - 0.5], [0, sy, (top + 0.5) * sy - 0.5]], np.float64)
            flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
            warped = cv2.warpAffine(values, where, (width, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)
            strip = np.asarray(warped, np.float32)
        seen[top : top + rows] = to_bytes(strip, rng, grain)
    return seen


def resized(values: Field, size: tuple[int, int], interpolation: int = cv2.INTER_AREA) -> Field:
    """OpenCV's resize of float32 values to (width, height)."""
    return np.asarray(cv2.resize(values, size, interpolation=interpolation), np.float32)


def coded(linear: Field) -> Field:
    """Linear light in [0, 1] as sRGB values in [0, 255], not rounded (IEC 61966-2-1)."""
    c = np.clip(linear, 0.0, 1.0)
    return np.asarray(255 * np.where(c <= 0.0031308, 12.92 * c, 1.055 * c ** np.float32(1 / 2.4) - 0.055), np.float32)


def _wrapped(places: Field) -> Field:
    return np.asarray(places - np.float32(_SIDE) * np.floor(places / np.float32(_SIDE)), np.float32)
