"""Light that falls on the product from another side, as from a large soft box."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from packshot.colour import linear_from_srgb
from packshot.editing.blurring import soft
from packshot.editing.noise import Field, coded, resized
from packshot.editing.scene import Bytes, Light, Scene
from packshot.errors import RequestError

DIRECTIONS = {
    "right": 0.0, "above-right": 45.0, "above": 90.0, "top": 90.0, "above-left": 135.0,
    "left": 180.0, "below-left": 225.0, "below": 270.0, "below-right": 315.0,
}  # fmt: skip
PLACE = "place"
_WORKING = 192
"""Pixels of the product's longer side at which its form is estimated: shading has no finer detail than a soft box."""
_SWEEPS = 160
_ELEVATION = 0.60
"""Sine of the light's height over the picture's plane."""
_RELIEF = 0.06
"""How far bright parts stand out, against the product's size; small, since print is flat."""
_CONTRAST = 2.6
"""Power of the shading at strength 1, chosen by eye: plainly lit from one side, with no side lost in black."""
_SOFTEST = 0.030
"""Standard deviation of the blur of the shading, in shares of the product's longer side."""
_STRIP = 512


def relight(scene: Scene, direction: str = PLACE, *, strength: float = 0.5) -> Scene:
    """Light the product softly from one side.

    Its form is guessed: an inflated silhouette (the root of the solution of Poisson's equation with a constant right
    side, as in Grady 2006's membrane), with bright parts slightly raised. Lambert's shading of that form from the
    side, against shading from the front, multiplies linear light; only its smooth part does, so that texture and print
    stay. The product's mean brightness is kept, and highlights are bent, not clipped.

    Args:
        scene: cut out.
        direction: left, right, above, below, above-left and so on, or degrees (0 right, 90 above); or `place`: from
            where the light of the place behind comes, and from the left where that is not known.
        strength: 0 to 1.

    Raises:
        RequestError: a value that is not accepted, or nothing cut out.
    """
    alpha = scene.coverage("relight")
    angle = _angle(direction, scene.light)
    if not 0 <= strength <= 1:
        raise RequestError("relight.strength", f"{strength:g}", "0 to 1")
    rows, columns = np.flatnonzero((alpha > 0).any(1)), np.flatnonzero((alpha > 0).any(0))
    if not len(rows) or strength == 0:
        return scene
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    product = scene.product.copy()
    part, cover = product[box], alpha[box]
    ratio = _shading(part, cover, angle, strength)
    for top in range(0, len(part), _STRIP):
        strip = slice(top, top + _STRIP)
        part[strip] = np.where(cover[strip, :, None] > 0, _lit(part[strip], ratio, (top, part.shape)), part[strip])
    return replace(scene, product=product).with_touched(alpha > 0)


def _angle(direction: str, light: Light | None) -> float:
    """Radians, counter-clockwise from the right."""
    name = direction.strip().lower().replace(" ", "-").replace("_", "-")
    if name == PLACE:
        name = "left" if light is None else str(light.picture_angle)
    try:
        degrees = DIRECTIONS[name] if name in DIRECTIONS else float(name)
        if not np.isfinite(degrees):
            raise ValueError
    except ValueError:
        accepted = ", ".join([PLACE, *DIRECTIONS]) + ", or degrees"
        raise RequestError("relight.direction", f"'{direction}'", accepted) from None
    return float(np.radians(degrees))


def _shading(part: Bytes, cover: Bytes, angle: float, strength: float) -> Field:
    """(h, w) factors of linear light at the working size, mean 1 over the product."""
    factor = min(1.0, _WORKING / max(cover.shape))
    size = (max(3, round(cover.shape[1] * factor)), max(3, round(cover.shape[0] * factor)))
    weight = cv2.resize(cover, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    light = linear_from_srgb(np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)).mean(-1)
    height = _form(weight, np.asarray(light, np.float32))
    gy, gx = np.gradient(height)
    length = np.sqrt(gx**2 + gy**2 + 1)
    flat = np.sqrt(1 - _ELEVATION**2)
    towards = (-gx * np.cos(angle) + gy * np.sin(angle)) * flat + _ELEVATION
    lambert = 0.5 + 0.5 * towards / length  # wrapped: a soft box also reaches a little behind the edge
    frontal = 0.5 + 0.5 / length
    ratio = (lambert / frontal / (0.5 + 0.5 * _ELEVATION)) ** _CONTRAST
    long = max(weight.shape)
    inside = np.maximum(soft(weight, _SOFTEST * long, border=cv2.BORDER_CONSTANT), 1e-3)
    smooth = soft(ratio * weight, _SOFTEST * long, border=cv2.BORDER_CONSTANT) / inside
    smooth = 1 + strength * (smooth - 1)
    before, after = float((weight * light).sum()), float((smooth * weight * light).sum())
    return np.asarray(np.clip(smooth * (before / max(after, 1e-6) if before > 0 else 1), 0.2, 2.5), np.float32)


def _form(weight: Field, light: Field) -> Field:
    """Height in pixels over the picture's plane: inflated, coarse to fine, with a little relief from brightness."""
    solved: Field = np.zeros((1, 1), np.float32)
    for level in (4, 2, 1):
        size = (max(2, weight.shape[1] // level), max(2, weight.shape[0] // level))
        inside = (resized(weight, size) > 0.5).astype(np.float32)
        solved = resized(solved, size, cv2.INTER_LINEAR) * (4.0 if level < 4 else 0.0)
        for _ in range(_SWEEPS):  # Jacobi's iteration; outside of the product the height is 0
            padded = np.pad(solved, 1)
            near = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
            solved = (near + 1.0) / 4 * inside
    long = float(max(weight.shape))
    relief = soft(light * weight, 0.03 * long) * (_RELIEF * long)
    return np.asarray(np.sqrt(np.maximum(2 * solved, 0)) * 0.8 + relief, np.float32)


def _lit(pixels: Bytes, ratio: Field, place: tuple[int, tuple[int, ...]]) -> Bytes:
    """A strip of the product times the enlarged shading; factors above 1 bend towards white."""
    top, (h, w, *_) = place
    sx, sy = ratio.shape[1] / w, ratio.shape[0] / h
    where = np.array([[sx, 0, sx / 2 - 0.5], [0, sy, (top + 0.5) * sy - 0.5]], np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    factor = cv2.warpAffine(soft(ratio, 1.0), where, (w, len(pixels)), flags=flags, borderMode=cv2.BORDER_REPLICATE)[
        ..., None
    ]
    light = linear_from_srgb(pixels)
    brighter = 1 - (1 - light) ** np.maximum(factor, 1)
    return np.rint(coded(np.where(factor > 1, brighter, light * factor))).astype(np.uint8)
