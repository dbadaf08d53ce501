"""Dyeing pixels: from one material's colour to another, keeping light, weave and highlights. Arrays only.

Measured on catalogue photos of one product in two colours (`benchmarks/recolour.py`): differences in OKLab lightness
around the median carry over with a slope of about one whatever the two colours are, and chroma hardly follows
lightness. What differs at the ends is what cannot be: lightness beyond white and black, and highlights, which reflect
the lamp and not the dye. Of the target nothing but its colour is known, unless a photo of the other colour lends its
`Look`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from packshot.colour import oklab_from_srgb, srgb_from_linear, srgb_from_oklab
from packshot.editing.scene import Bytes

Floats = NDArray[np.float32]

_LAB_TO_LMS = np.linalg.inv(
    np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
              [0.0259040371, 0.7827717662, -0.8086757660]])
).astype(np.float32)  # fmt: skip
_LMS_TO_RGB = np.linalg.inv(
    np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
              [0.0883024619, 0.2817188376, 0.6299787005]])
).astype(np.float32)  # fmt: skip

_GREY_CHROMA = 0.025
"""Chroma at which a material's own saturation is half trusted: below it is camera noise and a cast."""
_CHROMA_OF_SHADE = 0.25
"""Exponent of chroma over lightness in the shade of a dyed cloth; proportional would be 1."""
_REACH = 0.15
"""Change of colour in OKLab over which the rest of the old colour's variation falls to `_REST`."""
_REST = 0.2
_HIGHLIGHT_ROOM = (0.12, 0.40)
"""Room above a material's lightness from which on, and where wholly, its brightest pixels count as highlights."""
_WHITEST, _BLACKEST = 0.985, 0.03
_STEPS = 12
_PARTS = 9
_LENT = 0.5
"""How far a look is followed: lamps and cameras of two photos differ, too."""
_STRETCH = (0.6, 1.6)
"""Bounds of the ratio of two spreads of lightness: more would make noise of flat cloth."""


@dataclass(frozen=True, slots=True)
class Look:
    """How the lightness of a material's pixels is spread in a photo, and its tint at each lightness.

    Attributes:
        lightness: (K,) OKLab, rising: medians of the K parts of equally many pixels, from dark to light.
        tint: (K, 2) OKLab a and b, medians of the same pixels.
        middle: (3,) OKLab median of all.
    """

    lightness: Floats
    tint: Floats
    middle: Floats

    @classmethod
    def of(cls, lab: Floats) -> Look:
        """The look of some pixels (N, 3) in OKLab."""
        parts = np.array_split(lab[np.argsort(lab[:, 0], kind="stable")], _PARTS)
        medians = np.stack([np.median(part, axis=0) for part in parts if len(part)])
        apart = np.arange(len(medians), dtype=np.float32) * np.float32(1e-5)  # rising also where all are equal
        return cls(medians[:, 0] + apart, medians[:, 1:], np.asarray(np.median(lab, axis=0)))

    @property
    def spread(self) -> float:
        """Between the darkest and the lightest part."""
        return float(self.lightness[-1] - self.lightness[0])


@dataclass(frozen=True, slots=True)
class Dye:
    """A way from one colour to another.

    Attributes:
        present: (3,) OKLab median of the material.
        target: (3,) OKLab that its median shall have.
        spread: how far its lightness lies below and above the median: (darkest, brightest) but for a few pixels.
        looks: the material's own look, and that which another photo lends; None where there is no such photo.
    """

    present: Floats
    target: Floats
    spread: tuple[float, float]
    looks: tuple[Look, Look] | None = None

    def __call__(self, lab: Floats) -> Floats:
        """(N, 3) OKLab dyed, not yet brought into a gamut."""
        lightness, highlight = self._lightness(lab[:, 0])
        lightness = self._lent_lightness(lab[:, 0], lightness, highlight)
        chroma = self._lent_tint(lightness, self._chroma(lab, lightness, highlight), highlight)
        return np.concatenate([lightness[:, None], chroma], axis=1)

    def _lightness(self, old: Floats) -> tuple[Floats, Floats]:
        """New lightness; and how much of each pixel is a highlight, 0 to 1."""
        here, there = float(self.present[0]), float(self.target[0])
        away = old - here
        below, above = self.spread
        dark = _bent(np.maximum(-away, 0), below, there - _BLACKEST, here - _BLACKEST)
        room = max(1 - here, 1e-3)
        highlight = np.clip(away / room, 0, 1) ** 3 * _ramp(room, *_HIGHLIGHT_ROOM)
        bright = _bent(np.maximum(away, 0), above, _WHITEST - there, _WHITEST - here)
        new = there - dark + bright
        new += highlight * np.maximum(old - new, 0)
        return np.clip(new, 0, 1), highlight

    def _lent_lightness(self, old: Floats, new: Floats, highlight: Floats) -> Floats:
        """Half the way to where the other photo has as many darker pixels."""
        if self.looks is None:
            return new
        own, other = self.looks
        ratio = other.spread / max(own.spread, 1e-3)
        stretch = float(np.clip(ratio, *_STRETCH)) / max(ratio, 1e-3)
        there = float(self.target[0]) + (other.lightness - other.middle[0]) * stretch
        beyond = old - np.clip(old, own.lightness[0], own.lightness[-1])
        lent = np.interp(old, own.lightness, there).astype(np.float32) + beyond
        return np.asarray(np.clip(new + _LENT * (1 - highlight) * (lent - new), 0, 1), np.float32)

    def _lent_tint(self, lightness: Floats, chroma: Floats, highlight: Floats) -> Floats:
        """Half the way to the other photo's tint at this lightness."""
        if self.looks is None:
            return chroma
        other = self.looks[1]
        where = lightness - float(self.target[0]) + float(other.middle[0])
        lent = [np.interp(where, other.lightness, tint) + offset for tint, offset in self._tints(other)]
        return np.asarray(chroma + _LENT * (1 - highlight)[:, None] * (np.stack(lent, 1) - chroma), np.float32)

    def _tints(self, other: Look) -> list[tuple[Floats, float]]:
        """Both channels of a look's tint, and what moves their median onto the target's."""
        return [(other.tint[:, c], float(self.target[1 + c] - other.middle[1 + c])) for c in (0, 1)]

    def _chroma(self, lab: Floats, lightness: Floats, highlight: Floats) -> Floats:
        old, new = self.present[1:], self.target[1:]
        strength = float(np.hypot(*old))
        trust = strength**2 / (strength**2 + _GREY_CHROMA**2)
        saturation = np.clip(lab[:, 1:] @ old / max(strength**2, 1e-8), 0, 1.6) if strength > 1e-4 else 1.0
        shade = np.minimum(lightness / max(float(self.target[0]), 1e-3), 1) ** _CHROMA_OF_SHADE * (1 - highlight)
        explained = (saturation * trust + shade * (1 - trust))[:, None]
        rest = lab[:, 1:] - explained * old
        far = min(float(np.linalg.norm(self.target - self.present)) / _REACH, 1.0)
        return np.asarray(explained * new + rest * (1 - (1 - _REST) * far), np.float32)


def dye_for(pixels: Bytes, target: Floats, look: Look | None = None) -> Dye:
    """The dye after which the median of these pixels (N, 3), rounded to sRGB bytes, is the target (3,) in OKLab.

    A target that sRGB does not have is first brought into it. What clipping shifts is made good in a few rounds.
    `look` is that of the material in the other colour, in another photo.
    """
    lab = oklab_from_srgb(pixels)
    wanted = oklab_from_srgb(srgb_from_oklab(target))
    present = np.asarray(np.median(lab, axis=0))
    low, high = (float(value) for value in np.percentile(lab[:, 0], (0.5, 99.5)))
    spread = (max(float(present[0]) - low, 1e-3), max(high - float(present[0]), 1e-3))
    aim = Dye(present, wanted, spread, None if look is None else (Look.of(lab), look))
    best, error = aim, np.inf
    for _ in range(_STEPS):
        reached = np.median(oklab_from_srgb(srgb_of(aim(lab))), axis=0)
        missed = np.asarray(wanted - reached, np.float32)
        if float(np.abs(missed).max()) < error:
            best, error = aim, float(np.abs(missed).max())
        if error < 1e-3:
            break
        aim = replace(aim, target=aim.target + missed)
    return best


def srgb_of(lab: Floats) -> Bytes:
    """OKLab (N, 3) as sRGB bytes; colours outside of the gamut are greyed at their lightness."""
    linear = (lab @ _LAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T
    outside = (linear.min(axis=1) < 0) | (linear.max(axis=1) > 1)
    if outside.any():
        wrong = linear[outside]
        grey = np.clip(lab[outside, :1], 0, 1) ** 3
        away = wrong - grey
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(away > 0, (1 - grey) / away, np.where(away < 0, -grey / away, np.inf))
        linear[outside] = grey + away * np.clip(room.min(axis=1, keepdims=True), 0, 1)
    return srgb_from_linear(np.asarray(linear, np.float32))


def _bent(distance: Floats, reach: float, room: float, old_room: float) -> Floats:
    """Distances from the median, kept; where `reach` exceeds `room`, bent so that it just fits.

    A material that keeps its room keeps its distances, whatever its reach.
    """
    fitting = 0.92 * max(room, 1e-3)
    if reach <= fitting or room >= old_room:
        return distance
    return np.asarray(distance / (1 + distance * (1 / fitting - 1 / max(reach, 1e-3))), np.float32)


def _ramp(value: float, start: float, end: float) -> float:
    share = min(max((value - start) / (end - start), 0.0), 1.0)
    return share * share * (3 - 2 * share)
