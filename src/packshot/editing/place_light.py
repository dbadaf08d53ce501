"""The light of a place: known where the place is drawn, estimated coarsely in a picture. Knows no product."""

from __future__ import annotations

import cv2
import numpy as np

from packshot.colour import linear_from_srgb
from packshot.editing.blurring import soft
from packshot.editing.noise import Field
from packshot.editing.scene import Bytes, Light
from packshot.editing.scene_words import Place

_STANDING = {"left": (-0.58, 0.70, 0.41), "right": (0.58, 0.70, 0.41), "back": (0.0, 0.60, -0.80)}
"""Towards the light of a drawn place: 45° high, a little before the product or behind it."""
_FLAT_LAY = {"left": (-0.50, 0.50, 0.71), "right": (0.50, 0.50, 0.71), "back": (0.0, 0.70, 0.71)}
_SOFTNESS = {"window": 0.25, "leaves": 0.30, "bright": 0.35, "evening": 0.40}
_SKY = 0.35
_USUAL = 0.5
_SIDE = 64
"""Pixels of a picture's width and height at which its light is looked at."""
_BANDS = 4
"""Bands of rows that must agree: a wall, a table and what stands there hardly all grow darker to one side by chance."""
_FALL = 0.22
"""Least fall of light from one side of a picture to the other, as a logarithm: a fifth."""
_AGREE = 0.30
"""Least share of the fall in the band where it is smallest."""
_FITS = 0.45
"""Least share of the variance along a row that the fall explains."""
_HARDEST = 0.3
"""Least softness said of a picture: edges of things pass for edges of shadow, and a wrong hard one is seen at once."""
_STEEP = 0.9
"""Fall from which on the light is taken to come straight from the side."""


def light_of(place: Place) -> Light:
    """The light that `scenes.draw` gives a place."""
    towards = (_FLAT_LAY if place.top else _STANDING)[place.side]
    known = [_SOFTNESS[light] for light in place.lights if light in _SOFTNESS]
    return Light(towards, min(known, default=_SKY if place.wall == "sky" and not place.top else _USUAL))


def light_in(picture: Bytes) -> Light | None:
    """Estimate the light of a photo of a place: left or right, how much so, and how soft.

    Light falls off with the distance from a window or lamp: along rows, the logarithm of linear light is fitted by a
    line in each of four bands of rows. Where all bands fall to one side, enough, and the line explains enough of
    them, that is where the light comes from; how suddenly it falls says how soft it is. A picture whose light
    comes from above, behind or before says nothing along its rows.

    Args:
        picture: (H, W, 3) sRGB.

    Returns:
        None where that is not sure.
    """
    small = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    luma = linear_from_srgb(np.asarray(small, np.uint8)) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    rows = soft(np.log(luma + np.float32(0.02)).astype(np.float32), 1.0)
    bands = np.stack([np.median(band, axis=0) for band in np.array_split(rows, _BANDS)])
    x = np.linspace(-0.5, 0.5, _SIDE, dtype=np.float32)
    centred = bands - bands.mean(1, keepdims=True)
    falls = -(centred @ x) / (x @ x)
    fall = float(falls.mean())
    explained = float(((falls[:, None] * x) ** 2).sum() / max(float((centred**2).sum()), 1e-9))
    if abs(fall) < _FALL or (falls * np.sign(fall)).min() < _AGREE * abs(fall) or explained < _FITS:
        return None
    aside = min(1.0, abs(fall) / _STEEP)  # 45° before the product, to straight from its side
    angle = np.radians(45 - 40 * aside)
    towards = (-np.sign(fall) * 0.71 * np.cos(angle), 0.70, 0.71 * np.sin(angle))
    return Light((float(towards[0]), float(towards[1]), float(towards[2])), _softness(bands.mean(0), fall))


def _softness(along: Field, fall: float) -> float:
    """From the narrowest part of the row in which most of the light is lost: an edge of shadow, or all of it."""
    level = along if fall > 0 else along[::-1]  # bright to dark
    need = 0.6 * float(level[:6].mean() - level[-6:].mean())
    for width in range(1, len(level)):
        if float((level[:-width] - level[width:]).max()) >= need:
            return float(np.clip(1.1 * width / len(level), _HARDEST, 0.9))
    return 0.9
