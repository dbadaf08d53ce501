"""Places drawn without any model: a surface in perspective before a wall out of focus, or a surface from above."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from packshot.editing.blurring import soft
from packshot.editing.materials import MATERIALS, Plane
from packshot.editing.noise import Field, Noise, coded, enlarged, resized
from packshot.editing.scene import Bytes
from packshot.editing.scene_words import Place

_LONGEST = 1600
"""Pixels of a scene's longer side before it is enlarged: what is out of focus has no finer detail."""
_SUPER = 2
"""Rows drawn for each row of a surface: perspective squeezes it that way."""
_EYE = 0.62
"""Height of the horizon over the product's foot, in frame heights: about 20° from above, as packshots are taken."""
_EDGE = 0.20
"""Where the surface ends, in frame heights over the product's foot."""
_LENS = 1.7
"""Focal length in frame widths: a short telephoto."""
_BLUR = 0.011
"""Standard deviation, in frame heights, of what is far behind."""
_BLADES = 14000
"""Most blades of grass."""
_GRAIN = 0.7
"""Bytes; what a camera adds, and drawn pictures lack."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the product stands.

    Attributes:
        foot: row of its lowest pixel, as a share of the frame's height.
        centre: its middle, as a share of the frame's width.
        unit: its longer side, as a share of the frame's width.
    """

    foot: float
    centre: float
    unit: float


def draw(place: Place, size: tuple[int, int], stand: Stand, *, seed: int = 0, scale: float = 1.0) -> Bytes:
    """Draw a place.

    Args:
        place: what it is made of.
        size: (height, width) of the picture.
        stand: where the product will be.
        seed: of everything that varies.
        scale: of the pattern, against the size of the product.

    Returns:
        (H, W, 3) sRGB.
    """
    factor = min(1.0, _LONGEST / max(size))
    h, w = max(8, round(size[0] * factor)), max(8, round(size[1] * factor))
    noise = Noise(seed)
    unit = max(stand.unit, 0.08) * w * scale
    light = _from_above(place, (h, w), unit, noise) if place.top else _standing(place, (h, w), stand, unit, noise)
    lit = light * _light(place, (h, w), stand, noise)[..., None] * _cast(place)
    return enlarged(coded(_shouldered(lit)), size, seed + 1, _GRAIN)


def _from_above(place: Place, size: tuple[int, int], unit: float, noise: Noise) -> Field:
    h, w = size
    ys, xs = np.mgrid[:h, :w].astype(np.float32)
    plane = Plane((xs - w / 2) / np.float32(unit), (h - ys) / np.float32(unit), np.full((1, 1), 1 / unit, np.float32))
    return _surface(place, plane, noise)


def _surface(place: Place, plane: Plane, noise: Noise) -> Field:
    material = MATERIALS[place.surface]
    return material.coloured(material.draw(plane, noise), place.surface_colour)


def _standing(place: Place, size: tuple[int, int], stand: Stand, unit: float, noise: Noise) -> Field:
    """Wall and surface put together, each row as sharp as its distance from the product lets it be."""
    h, w = size
    foot = stand.foot * h
    edge = int(np.clip(foot - _EDGE * h, 0.30 * h, 0.86 * h))
    horizon = foot - max(_EYE * h, 0.9 * (foot - edge) / 0.6)
    wall = _wall(place, (edge + 1, w), unit, noise)
    ground = _ground(place, (h, w), edge, (horizon, foot), unit, noise)
    gloss = MATERIALS[place.surface].gloss
    if gloss:
        mirrored = soft(np.ascontiguousarray(wall[::-1]), 0.03 * h, 0.06 * h)
        rows = min(len(mirrored), len(ground))
        away = np.linspace(1, 0, rows, dtype=np.float32)[:, None, None] ** 2 * gloss
        ground[:rows] = ground[:rows] * (1 - away) + mirrored[:rows] * away
    whole = np.concatenate([wall[:edge], ground])
    fade = np.clip((np.arange(h, dtype=np.float32) - edge) / (0.10 * h), 0, 1)[:, None, None]
    whole[edge:] *= 0.86 + 0.14 * fade[edge:]
    return _focused(whole, edge, foot, horizon)


def _ground(
    place: Place, size: tuple[int, int], edge: int, rows: tuple[float, float], unit: float, noise: Noise
) -> Field:
    """The surface from its far edge to the picture's lower border."""
    h, w = size
    horizon, foot = rows
    y = edge + (np.arange((h - edge) * _SUPER, dtype=np.float32) + 0.5)[:, None] / _SUPER
    depth = np.float32(foot - horizon) / (y - np.float32(horizon))
    across = (np.arange(w, dtype=np.float32) + 0.5 - w / 2)[None] / np.float32(unit)
    lens = np.float32(_LENS * w / unit)
    v = np.broadcast_to(lens * depth, (len(y), w)).astype(np.float32)
    footprint = np.maximum(lens * depth / (y - np.float32(horizon)) / _SUPER, depth / np.float32(unit) * 0.7)
    drawn = _surface(place, Plane(across * depth, v, footprint.astype(np.float32)), noise)
    if place.surface == "grass":
        drawn = _blades(drawn, place, y[:, 0], depth[:, 0], unit, noise)
    return resized(drawn, (w, h - edge))


def _blades(drawn: Field, place: Place, y: Field, depth: Field, unit: float, noise: Noise) -> Field:
    """Blades of grass, the far ones first; each a bent stroke that is lighter towards its tip."""
    rng, (rows, w) = noise.rng, drawn.shape[:2]
    count = int(np.clip(7000 * w / unit, 5000, _BLADES))
    foot = np.sort(rng.random(count) ** 0.85) * (rows + 60)
    row = np.clip(foot.astype(int), 0, rows - 1)
    long = (0.10 + 0.10 * rng.random(count)) * unit / depth[row]
    x, bend = rng.random(count) * (w + 60) - 30, rng.normal(0, 0.38, count)
    tone = np.clip(rng.normal(0.55, 0.2, count), 0.15, 1).astype(np.float32)
    colours = MATERIALS["grass"].coloured(tone, place.surface_colour) * (0.6 + 0.6 * rng.random((count, 1)))
    part = np.linspace(0, 1, 6)[None]
    xs = x[:, None] + (long * bend)[:, None] * part**1.8
    ys = foot[:, None] - (long * _SUPER)[:, None] * part * (1 - 0.25 * np.abs(bend)[:, None] * part)
    wide = np.maximum(0.5, 0.045 * long)[:, None] * (1 - part**1.5)
    right, left = np.stack([xs + wide, ys], -1), np.stack([xs - wide, ys], -1)
    outlines = np.rint(np.concatenate([left, right[:, ::-1]], 1) * 8).astype(np.int32)
    drawn = np.ascontiguousarray(drawn)
    for outline, colour in zip(outlines, colours.tolist(), strict=True):
        cv2.fillConvexPoly(drawn, outline, colour, cv2.LINE_AA, 3)
    return drawn


def _wall(place: Place, size: tuple[int, int], unit: float, noise: Noise) -> Field:
    h, w = size
    ys, xs = np.mgrid[:h, :w].astype(np.float32)
    plane = Plane((xs - w / 2) / np.float32(unit), (h - ys) / np.float32(unit), np.full((1, 1), 1 / unit, np.float32))
    material = MATERIALS[place.wall]
    wall = material.coloured(material.draw(plane, noise), place.wall_colour)
    if place.wall == "lights" or ("evening" in place.lights and place.wall == "plain"):
        wall = wall + _lights(size, noise)
    return wall


def _lights(size: tuple[int, int], noise: Noise) -> Field:
    """Lamps far away: discs as the lens's opening draws them."""
    h, w = size
    sheet = np.zeros((h, w, 3), np.float32)
    for _ in range(26):
        x, y = noise.rng.random() * w, noise.rng.random() ** 0.8 * h * 0.9
        radius = (0.018 + 0.03 * noise.rng.random()) * max(h, w)
        warm = np.array([1.0, 0.55 + 0.3 * noise.rng.random(), 0.22 + 0.3 * noise.rng.random()])
        disc = np.zeros((h, w), np.float32)
        cv2.circle(disc, (round(x), round(y)), round(radius), 1.0, -1, cv2.LINE_AA)
        sheet += disc[..., None] * (warm * (0.10 + 0.35 * noise.rng.random())).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(sheet, (0, 0), 0.0025 * max(h, w)), np.float32)


def _focused(whole: Field, edge: int, foot: float, horizon: float) -> Field:
    """Blur by depth (circle of confusion of a thin lens): none at the product's foot, most at the wall."""
    h = len(whole)
    y = np.arange(h, dtype=np.float32)
    depth = (foot - horizon) / np.maximum(y - horizon, 1)
    wall = (foot - horizon) / (edge - horizon) * 1.9
    depth = np.where(y < edge, wall, depth)
    amount = np.abs(1 - 1 / depth) / (1 - 1 / wall)
    levels = [whole]
    for sigma in (0.12, 0.35, 1.0):
        levels.append(soft(whole, sigma * _BLUR * h))
    sharp = np.interp(amount, [0.08, 0.2, 0.45, 1.0], [0, 1, 2, 3])
    places = soft(sharp.astype(np.float32)[:, None], 0, 0.01 * h)[:, 0]
    lower = np.clip(np.floor(places).astype(int), 0, 2)
    share = (places - lower)[:, None, None]
    stacked = np.stack(levels)
    rows = np.arange(h)
    return np.asarray(stacked[lower, rows] * (1 - share) + stacked[lower + 1, rows] * share, np.float32)


def _light(place: Place, size: tuple[int, int], stand: Stand, noise: Noise) -> Field:
    """(H, W) light: a soft source on one side, its fall-off, the lens's corners, and what stands in its way."""
    h, w = size
    y, x = np.mgrid[:h, :w].astype(np.float32)
    x, y = x / w, y / h
    side, height = {"left": (-0.12, 0.45), "right": (0.12, 0.45), "back": (0.0, 0.12)}[place.side]
    pool = np.exp(-((((x - stand.centre - side) / 0.75) ** 2) + ((y - height) / 0.95) ** 2))
    corner = 1 - 0.18 * np.clip(((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.5, 0, 1)
    strength = 0.55 if "dark" in place.lights else 0.28
    light = (1 - strength + strength * 1.25 * pool) * corner
    if "window" in place.lights:
        light = light * _panes(1 - x if place.side == "right" else x, y, h)
    if "leaves" in place.lights:
        leaves = _leaves((h, w), noise)
        light = light * (leaves[:, ::-1] if place.side == "right" else leaves)
    return np.asarray(light, np.float32)


def _panes(x: Field, y: Field, h: int) -> Field:
    """A window's light on wall and surface."""
    u, v = (x + 0.55 * y - 0.22) / 0.26, (y + 0.15 * x - 0.02) / 0.36
    inside = np.minimum(np.abs(u - np.rint(u)), np.abs(v - np.rint(v))) > 0.05
    inside &= (u > 0) & (u < 3) & (v > 0) & (v < 3)
    lit = soft(inside.astype(np.float32), 0.014 * h)
    return np.asarray(0.68 + 0.5 * lit, np.float32)


def _leaves(size: tuple[int, int], noise: Noise) -> Field:
    """Shadows of a branch before the window, the nearer leaves sharper."""
    h, w = size
    rng, long = noise.rng, max(h, w)
    light = np.ones((h, w), np.float32)
    for layer, sigma in enumerate((0.018, 0.009)):
        sheet = np.zeros((h, w), np.float32)
        for _ in range(3):
            x, y = rng.random() * w * 0.5 - 0.1 * w, rng.random() * 0.6 * h - 0.1 * h
            heading = 0.5 + 0.5 * rng.random()
            for step in range(16):
                x, y = x + 0.06 * long * np.cos(heading), y + 0.06 * long * np.sin(heading)
                heading += rng.normal(0, 0.08)
                angle = heading + (1 if step % 2 else -1) * (0.7 + 0.3 * rng.random())
                size_ = long * (0.045 + 0.035 * rng.random())
                centre = (round(x + size_ * np.cos(angle)), round(y + size_ * np.sin(angle)))
                axes = (round(size_), round(size_ * 0.27))
                cv2.ellipse(sheet, centre, axes, np.degrees(angle), 0, 360, 1.0, -1, cv2.LINE_AA)
        light *= 1 - (0.26 + 0.08 * layer) * soft(sheet, sigma * long)
    return np.asarray(light * 1.1, np.float32)


def _cast(place: Place) -> Field:
    """The light's colour and power, (3,)."""
    powers = {"bright": (1.16, 1.16, 1.14), "dark": (0.5, 0.5, 0.52), "warm": (1.08, 0.98, 0.84)}
    powers |= {"cool": (0.92, 1.0, 1.08), "evening": (0.82, 0.62, 0.42), "window": (1.05, 1.02, 0.96)}
    cast = np.ones(3, np.float32)
    for light in place.lights:
        cast = cast * np.array(powers.get(light, (1, 1, 1)), np.float32)
    return cast


def _shouldered(light: Field) -> Field:
    """Bright light bends over, as on film, instead of clipping."""
    knee = np.float32(0.75)
    over = np.maximum(light - knee, 0)
    return np.asarray(np.minimum(light, knee) + (1 - knee) * (1 - np.exp(-over / (1 - knee))), np.float32)
