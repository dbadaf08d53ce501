"""Materials of drawn scenes: for places on a plane, how light each is between a material's darkest and lightest tone.

A place is (u, v) in units of the product's longer side. Everything is written from the look of the things themselves;
noise follows Perlin 1985 ("An Image Synthesizer"), veins are its ridged sums, rings its distorted distances.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from packshot.colour import linear_from_srgb, srgb_from_oklab
from packshot.editing.noise import Field, Noise
from packshot.lexicon import Oklab


@dataclass(frozen=True, slots=True)
class Plane:
    """Places that pixels look at.

    Attributes:
        u: (H, W) across.
        v: (H, W) away from the viewer.
        footprint: (H, 1) or (1, 1) size of a pixel, the larger of both directions.
    """

    u: Field
    v: Field
    footprint: Field


@dataclass(frozen=True, slots=True)
class Material:
    """A material.

    Attributes:
        tones: hex colours from dark to light.
        draw: (plane, noise) -> (H, W) in about [0, 1], the place between the tones.
        gloss: share of the wall mirrored at a grazing angle.
        spread: how far the tones lie apart, as a power of the own colour, where another colour was asked for.
    """

    tones: tuple[str, ...]
    draw: Callable[[Plane, Noise], Field]
    gloss: float = 0.0
    spread: float = 1.0

    def coloured(self, t: Field, tint: Oklab | None) -> Field:
        """(H, W, 3) linear light for places between the tones; `tint` is the colour of the middle."""
        stops: Field = np.stack([linear_from_srgb(np.frombuffer(bytes.fromhex(tone), np.uint8)) for tone in self.tones])
        if tint is not None:
            wanted = linear_from_srgb(srgb_from_oklab(np.asarray(tint, np.float32)))
            grey = stops @ np.array([0.2126, 0.7152, 0.0722], np.float32)
            middle = np.interp(0.5, np.linspace(0, 1, len(grey)), grey)
            ratio = (grey / middle) ** self.spread
            stops = 1 - (1 - wanted) ** ratio[:, None] if wanted.min() > 0.6 else wanted * ratio[:, None]
        fine = np.linspace(0, 1, 1024)
        table = np.stack([np.interp(fine, np.linspace(0, 1, len(stops)), stops[:, c]) for c in range(3)], -1)
        return np.asarray(table.astype(np.float32)[np.rint(np.clip(t, 0, 1) * 1023).astype(np.int32)], np.float32)


def _hashed(cells: NDArray[np.float32], salt: float) -> Field:
    """One value in [0, 1) for each whole number or pair folded into one."""
    return np.asarray(np.modf(np.abs(np.sin(cells * 12.9898 + salt) * 43758.547))[0], np.float32)


def _wood(plane: Plane, noise: Noise) -> Field:
    """Boards that run across: rings cut lengthwise, fibres, pores, dark joints."""
    width = np.float32(0.52)
    board = np.floor(plane.v / width + 0.37)
    inside = plane.v / width + np.float32(0.37) - board
    shift = _hashed(board, 0.3) * 40
    s, f = plane.u + shift, plane.footprint
    bend = noise.fbm(s / 3.2, plane.v + board * 7, cell=0.28, octaves=3, footprint=f, turn=False)
    heart = noise.fbm(s / 5.0, board * 3.1, cell=0.9, octaves=2, footprint=f, turn=False)
    across = plane.v + 0.05 * bend + 0.10 * heart
    rings = np.abs(across - (board + 0.2 + 0.5 * _hashed(board, 1.7)) * width + 0.07) ** np.float32(0.8)
    phase = rings * 26 + 0.9 * noise.fbm(s / 9, plane.v, cell=0.12, octaves=3, footprint=f, turn=False)
    tooth = phase - np.floor(phase)
    seen = np.clip(0.03 / f - 0.6, 0, 1)
    ring = (np.where(tooth < 0.82, tooth / 0.82, (1 - tooth) / 0.18) ** 1.6 - 0.38) * seen
    fibre = noise.fbm(s / 22, plane.v, cell=0.03, octaves=4, footprint=f, gain=0.75, turn=False)
    pores = noise.octave(s / np.float32(0.05), plane.v / np.float32(0.0028))
    pores = np.clip(pores - 1.5, 0, 1.2) * np.clip(0.0055 / f - 0.5, 0, 1)
    cloud = noise.fbm(s / 4, plane.v, cell=0.5, octaves=3, footprint=f)
    t = 0.62 + 0.16 * (_hashed(board, 5.1) - 0.5) - 0.20 * ring + 0.055 * fibre + 0.055 * cloud - 0.16 * pores
    joint = np.minimum(inside, 1 - inside) * width
    reach = np.maximum(np.float32(0.0035), 0.8 * f)
    return np.asarray(t * (1 - 0.75 * np.exp(-((joint / reach) ** 2)) * np.minimum(1, 0.006 / f)), np.float32)


def _marble(plane: Plane, noise: Noise) -> Field:
    """White stone: clouds, a few long veins along one direction, finer ones between."""
    f = plane.footprint
    u, v = 0.80 * plane.u + 0.60 * plane.v, 0.80 * plane.v - 0.60 * plane.u
    warp = noise.fbm(u, v, cell=0.9, octaves=5, footprint=f, gain=0.5)
    bend = noise.fbm(u, v, cell=0.35, octaves=5, footprint=f, gain=0.5)
    long = noise.fbm(u * 0.35 + 0.10 * warp, v + 0.20 * warp + 0.03 * bend, cell=0.75, octaves=2, footprint=f)
    fine = noise.fbm(u * 0.5 + 0.2 * warp, v + 0.12 * bend, cell=0.4, octaves=3, footprint=f)
    where = np.clip(0.55 + 0.6 * noise.fbm(u, v, cell=1.1, octaves=2, footprint=f), 0, 1)
    cloud = noise.fbm(u * 0.6 + 0.1 * bend, v + 0.1 * warp, cell=0.6, octaves=5, footprint=f, gain=0.6)
    vein = 0.42 * np.exp(-np.abs(long) * 26) + 0.20 * np.exp(-np.abs(long) * 5)
    thin = 0.22 * np.exp(-np.abs(fine) * 34) + 0.05 * np.exp(-np.abs(fine) * 8)
    return np.asarray(0.90 + 0.045 * cloud - where * vein - (1 - 0.6 * where) * thin, np.float32)


def _linen(plane: Plane, noise: Noise) -> Field:
    """Plain weave of uneven threads with slubs, and soft folds."""
    f, pitch = plane.footprint, np.float32(0.0105)
    du = noise.fbm(plane.u, plane.v, cell=0.7, octaves=3, footprint=f, gain=0.3) * 0.008
    dv = noise.fbm(plane.u, plane.v, cell=0.7, octaves=3, footprint=f, gain=0.3) * 0.008
    u, v = plane.u + du, plane.v + dv
    warp, weft = np.cos(2 * np.pi * u / pitch), np.cos(2 * np.pi * v / pitch)
    over = np.cos(np.pi * u / pitch) * np.cos(np.pi * v / pitch)
    thread = np.where(over > 0, weft, warp) * np.clip(pitch / f - 0.8, 0, 1)
    slub_u = noise.fbm(u, v / 14, cell=0.0105, octaves=2, footprint=f * 0.35, turn=False)
    slub_v = noise.fbm(u / 14, v, cell=0.0105, octaves=2, footprint=f, turn=False)
    slub = np.where(over > 0, slub_v, slub_u) + 0.4 * (slub_u + slub_v)
    folds = _folds(plane, noise, 0.8)
    return np.asarray(0.60 + 0.13 * thread + 0.055 * slub + 0.10 * folds, np.float32)


def _folds(plane: Plane, noise: Noise, cell: float) -> Field:
    """Cloth that does not lie flat: the slope of a smooth height, lit from the left."""
    u, v = 0.9 * plane.u + 0.45 * plane.v, 0.35 * plane.v - 0.6 * plane.u
    height = noise.fbm(u, v, cell=cell, octaves=2, footprint=plane.footprint, gain=0.3)
    slope = np.diff(height, axis=1, append=height[:, -1:]) / (plane.u[:, 1:2] - plane.u[:, :1]) * cell
    return np.asarray(np.tanh(-0.22 * slope), np.float32)


def _concrete(plane: Plane, noise: Noise) -> Field:
    """Clouds of damp and lime, trowel marks, fine grit, a few pores."""
    f = plane.footprint
    cloud = noise.fbm(plane.u, plane.v, cell=0.9, octaves=7, footprint=f, gain=0.6)
    marks = noise.fbm(plane.u / 5 + 0.1 * cloud, plane.v + 0.1 * plane.u, cell=0.22, octaves=4, footprint=f)
    grit = noise.fbm(plane.u, plane.v, cell=0.012, octaves=3, footprint=f, gain=0.9)
    hole = noise.octave(plane.u / np.float32(0.028), plane.v / np.float32(0.028))
    hole = np.clip((hole - 2.25) * 3, 0, 1) * np.clip(0.02 / f - 1, 0, 1)
    return np.asarray(0.55 + 0.10 * cloud + 0.05 * marks + 0.045 * grit - 0.35 * hole, np.float32)


def _slate(plane: Plane, noise: Noise) -> Field:
    """Cleft stone: layers with small steps that catch the light."""
    f = plane.footprint
    warp = noise.fbm(plane.u, plane.v, cell=0.5, octaves=5, footprint=f)
    height = noise.fbm(plane.u / 1.8 + 0.1 * warp, plane.v + 0.12 * warp, cell=0.42, octaves=7, footprint=f, gain=0.6)
    step = height * 3.2
    stair = np.floor(step) + np.clip((step - np.floor(step) - 0.5) * 3.0 + 0.5, 0, 1)
    edge = -np.gradient(stair, axis=1) / np.maximum(np.gradient(plane.u, axis=1), 1e-6)
    slope = np.tanh(edge * 0.02 + np.gradient(stair, axis=0) * 0.25)
    grit = noise.fbm(plane.u, plane.v, cell=0.015, octaves=3, footprint=f, gain=0.8)
    return np.asarray(0.42 + 0.06 * stair / 2 + 0.05 * warp + 0.22 * slope + 0.05 * grit, np.float32)


def _sand(plane: Plane, noise: Noise) -> Field:
    """Grains, each its own grey, on low ripples lit from the side."""
    f = plane.footprint
    warp = noise.fbm(plane.u, plane.v, cell=0.8, octaves=4, footprint=f)
    ripple = noise.fbm(plane.u / 2.6 + 0.06 * warp, plane.v + 0.16 * warp, cell=0.16, octaves=3, footprint=f, gain=0.4)
    mound = noise.fbm(plane.u, plane.v, cell=0.9, octaves=3, footprint=f)
    grain = noise.fbm(plane.u, plane.v, cell=0.009, octaves=3, footprint=f * 0.7, gain=1.0)
    dark = np.clip(noise.octave(plane.u / np.float32(0.006), plane.v / np.float32(0.006)) - 2.0, 0, 1)
    dark = dark * np.clip(0.006 / f - 0.6, 0, 1)
    return np.asarray(0.58 + 0.10 * ripple + 0.07 * mound + 0.10 * grain - 0.3 * dark, np.float32)


def _paper(plane: Plane, noise: Noise) -> Field:
    """Matt card with hardly visible fibres."""
    f = plane.footprint
    tooth = noise.fbm(plane.u, plane.v, cell=0.02, octaves=4, footprint=f, gain=0.8)
    cloud = noise.fbm(plane.u, plane.v, cell=0.8, octaves=3, footprint=f)
    return np.asarray(0.5 + 0.035 * tooth + 0.02 * cloud, np.float32)


def _velvet(plane: Plane, noise: Noise) -> Field:
    """Pile that is dark where one looks into it and shines where it is brushed away."""
    f = plane.footprint
    warp = noise.fbm(plane.u, plane.v, cell=0.7, octaves=3, footprint=f)
    folds = _folds(plane, noise, 0.75)
    brushed = noise.fbm(plane.u + 0.25 * warp, plane.v / 1.5 + 0.2 * warp, cell=0.35, octaves=4, footprint=f, gain=0.45)
    pile = noise.fbm(plane.u, plane.v, cell=0.008, octaves=2, footprint=f * 0.6, gain=1.0)
    return np.asarray(0.32 + 0.20 * folds**2 + 0.10 * folds + 0.07 * np.tanh(brushed * 1.2) + 0.03 * pile, np.float32)


def _tiles(plane: Plane, noise: Noise) -> Field:
    """Glazed squares, no two alike, in pale joints."""
    f, side = plane.footprint, np.float32(0.36)
    u, v = plane.u / side + np.float32(0.5), plane.v / side + np.float32(0.2)
    cu, cv = np.floor(u), np.floor(v)
    own = _hashed(cu * 7 + cv * 113, 2.2) - 0.5
    gap = np.minimum(np.minimum(u - cu, cu + 1 - u), np.minimum(v - cv, cv + 1 - v)) * side
    joint = np.clip((0.006 - gap) / np.maximum(f, 0.0015) + 0.5, 0, 1) * np.minimum(1, 0.014 / f)
    bevel = np.exp(-np.clip(gap - 0.006, 0, None) / 0.006) * np.minimum(1, 0.01 / f)
    glaze = noise.fbm(plane.u, plane.v, cell=0.4, octaves=5, footprint=f, gain=0.5)
    t = 0.78 + 0.08 * own + 0.03 * glaze - 0.08 * bevel
    return np.asarray(t * (1 - joint) + 0.46 * joint, np.float32)


def _water(plane: Plane, noise: Noise) -> Field:
    """Small waves: bright where they mirror the sky, with a net of light."""
    f = plane.footprint
    warp = noise.fbm(plane.u, plane.v, cell=0.5, octaves=3, footprint=f)
    waves = noise.fbm(plane.u / 1.7 + 0.1 * warp, plane.v + 0.12 * warp, cell=0.26, octaves=6, footprint=f, gain=0.5)
    net = 1 - np.abs(noise.fbm(plane.u + 0.14 * warp, plane.v + 0.1 * waves, cell=0.3, octaves=2, footprint=f))
    return np.asarray(0.42 + 0.13 * waves + 0.30 * np.clip(net, 0, 1) ** 6, np.float32)


def _snow(plane: Plane, noise: Noise) -> Field:
    """Soft drifts, bluish in their shade, with grain."""
    f = plane.footprint
    drift = noise.fbm(plane.u, plane.v, cell=0.7, octaves=5, footprint=f, gain=0.4)
    grain = noise.fbm(plane.u, plane.v, cell=0.012, octaves=3, footprint=f * 0.7, gain=1.0)
    return np.asarray(0.72 + 0.15 * drift + 0.06 * grain, np.float32)


def _grass(plane: Plane, noise: Noise) -> Field:
    """The ground between blades; `scenes` draws the blades."""
    f = plane.footprint
    cloud = noise.fbm(plane.u, plane.v, cell=0.5, octaves=5, footprint=f)
    return np.asarray(0.34 + 0.08 * cloud, np.float32)


def _plain(plane: Plane, noise: Noise) -> Field:
    """Plaster, seen out of focus."""
    return np.asarray(
        0.5 + 0.06 * noise.fbm(plane.u, plane.v, cell=1.2, octaves=5, footprint=plane.footprint), np.float32
    )


def _brick(plane: Plane, noise: Noise) -> Field:
    """Running bond."""
    f, high, wide = plane.footprint, np.float32(0.16), np.float32(0.46)
    row = np.floor(plane.v / high)
    u = plane.u / wide + np.float32(0.5) * np.mod(row, 2)
    own = _hashed(np.floor(u) * 5 + row * 31, 0.9) - 0.5
    gap = np.minimum(
        np.minimum(u - np.floor(u), np.ceil(u) - u) * wide,
        np.minimum(plane.v / high - row, row + 1 - plane.v / high) * high,
    )
    joint = np.clip((0.011 - gap) / 0.006 + 0.5, 0, 1)
    rough = noise.fbm(plane.u, plane.v, cell=0.1, octaves=5, footprint=f, gain=0.6)
    return np.asarray((0.45 + 0.42 * own + 0.07 * rough) * (1 - joint) + 0.95 * joint, np.float32)


def _clouds(plane: Plane, noise: Noise) -> Field:
    """A fair sky: paler towards the horizon, with soft clouds."""
    f = plane.footprint
    warp = noise.fbm(plane.u, plane.v, cell=1.5, octaves=3, footprint=f)
    cloud = noise.fbm(plane.u / 1.8 + 0.2 * warp, plane.v, cell=0.9, octaves=6, footprint=f, gain=0.52)
    low = np.exp(-np.clip(plane.v, 0, None) / 0.8)
    return np.asarray(0.25 + 0.45 * low + 0.5 * np.clip(cloud - 0.1, 0, 1) ** 1.2 * (1 - 0.5 * low), np.float32)


MATERIALS: Mapping[str, Material] = {
    "wood": Material(("3d2513", "80532f", "b58552", "d9b181"), _wood, gloss=0.10),
    "marble": Material(("6b6c70", "a9a9ac", "d9d8d7", "f1efec"), _marble, gloss=0.22, spread=0.8),
    "linen": Material(("8c7f6b", "bcae98", "dbd0bd", "efe7d9"), _linen),
    "concrete": Material(("5d5c5a", "8f8d89", "b3b0ab", "d0cdc8"), _concrete, gloss=0.05),
    "slate": Material(("17191c", "32363a", "555a5f", "868b8f"), _slate, gloss=0.08),
    "sand": Material(("8d6c47", "c8a87c", "e2caa2", "f6e8cd"), _sand),
    "grass": Material(("16220c", "3a5220", "6a8a35", "9db45c"), _grass),
    "paper": Material(("cfc8bf", "e4ded6", "f3efe9"), _paper),
    "velvet": Material(("1a0508", "4f0f1b", "93202f", "d3606a"), _velvet),
    "tiles": Material(("7d8788", "b7c0c0", "dfe5e3", "f3f6f4"), _tiles, gloss=0.30, spread=0.8),
    "water": Material(("0e4a63", "2c86a3", "79c0d0", "e6f6f8"), _water, gloss=0.45, spread=0.8),
    "snow": Material(("a3b4cc", "cfd9e6", "ecf1f7", "ffffff"), _snow),
    "plain": Material(("c3bab0", "d8d0c7", "e9e3dc"), _plain),
    "brick": Material(("5a2a1e", "8f4a35", "b06a50", "cdbfb2"), _brick),
    "sky": Material(("4f8ac4", "8fb9de", "cfe2f0", "ffffff"), _clouds, spread=0.8),
    "lights": Material(("0c0b10", "16141c", "24202b"), _plain),
}
"""Every surface and wall that words can ask for."""
