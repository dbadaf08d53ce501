"""Cut-outs, backgrounds and photos -> photos with exact coverage: the one place where matting training draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from packshot.training.cutouts import Cutouts
from packshot.training.sections import CompositesRecipe

SCALES, TURN, SHIFT = (0.55, 1.35), math.radians(30), 0.25
"""Of a cut-out, whose product takes 85 % of its frame: factor, largest turn and largest shift over the side."""
ZOOMS = (1.0, 2.5)
"""Of a background: it is looked at closer."""
SHADOW_BLUR, SHADOW_DARKEST = (3, 21), 0.6
"""Radius over 256 pixels, and the share of the light that a shadow takes at the most."""
SHADOW_SCALE = 4
"""Shadows are blurred at a fourth of the side."""
NOISE, GAIN, TINT = 0.04, (0.55, 1.3), 0.12
PLAIN_LIGHTS = (0.55, 1.0)


@dataclass(frozen=True, slots=True)
class Composites:
    """What one step sees.

    Attributes:
        photos: (N, 3, R, R) float in [-1, 1].
        coverage: (N, 1, R, R) float in [0, 1].
    """

    photos: Tensor
    coverage: Tensor


def draw_composites(data: Cutouts, count: int, recipe: CompositesRecipe, generator: Generator) -> Composites:
    """Draw real photos and products before real, plain and cluttered backgrounds.

    Args:
        data: where from.
        count: of pictures; drawn with replacement.
        recipe: the shares of each kind.
        generator: on the data's device; the only source of randomness.
    """
    real = int((_uniform(count, generator) < recipe.real_share).sum()) if len(data.photos) else 0
    parts = [_composed(data, count - real, recipe, generator)] if real < count else []
    if real:
        parts.append(_real(data.photos, real, generator))
    photos, coverage = (torch.cat(part) for part in zip(*parts, strict=True))
    photos = _spoilt(photos, generator)
    return Composites(photos.clamp(0, 1) * 2 - 1, coverage.clamp(0, 1))


def fixed_composites(data: Cutouts, count: int, recipe: CompositesRecipe) -> Composites:
    """The same held-out composites each time."""
    held = Cutouts(data.held_out, data.held_out, data.photos[:0], data.photos[:0], data.backgrounds, "")
    return draw_composites(held, count, recipe, Generator(data.held_out.device).manual_seed(11))


def _composed(data: Cutouts, count: int, recipe: CompositesRecipe, generator: Generator) -> tuple[Tensor, Tensor]:
    scene = _backgrounds(data, count, recipe, generator)
    coverage = torch.zeros_like(scene[:, :1])
    second = torch.nonzero(_uniform(count, generator) < recipe.second_share)[:, 0]
    for rows in (torch.arange(count, device=second.device), second):
        if not len(rows):
            continue
        layer, cover = _placed_products(data.products, len(rows), generator)
        shade = _shadow(cover, recipe.shadow_share, generator)
        below = scene[rows] * torch.where(coverage[rows] > 0.5, torch.ones_like(shade), shade)
        scene[rows] = below * (1 - cover) + layer * cover
        coverage[rows] = coverage[rows] + cover - coverage[rows] * cover
    return scene, coverage


def _placed_products(products: Tensor, count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Colours (count, 3, R, R) of products without their background, and coverage (count, 1, R, R)."""
    rgba = _picked(products, count, generator)
    cover = rgba[:, 3:]
    moved = _warped(torch.cat([rgba[:, :3] * cover, cover], 1), _poses(count, SCALES, TURN, SHIFT, generator), "zeros")
    cover = moved[:, 3:].clamp(0, 1)
    return _relit(moved[:, :3] / cover.clamp_min(1e-3), generator).clamp(0, 1), cover


def _real(photos: Tensor, count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    poses = _poses(count, (0.9, 1.5), math.radians(15), 0.1, generator)
    moved = _warped(_picked(photos, count, generator), poses, "reflection")
    return _relit(moved[:, :3], generator), moved[:, 3:]


def _backgrounds(data: Cutouts, count: int, recipe: CompositesRecipe, generator: Generator) -> Tensor:
    kind = _uniform(count, generator)
    scene = _plain(count, data.products.shape[-1], generator)
    cluttered = (kind >= recipe.plain_share) & (kind < recipe.plain_share + recipe.clutter_share)
    if cluttered.any():
        scene[cluttered] = _cluttered(data.products, scene[cluttered], generator)
    real = kind >= recipe.plain_share + recipe.clutter_share
    if real.any() and len(data.backgrounds):
        few = int(real.sum())
        poses = _poses(few, ZOOMS, math.pi, 0.3, generator)
        scene[real] = _relit(_warped(_picked(data.backgrounds, few, generator), poses, "reflection"), generator)
    return scene


def _plain(count: int, side: int, generator: Generator) -> Tensor:
    """Paper and walls: one light colour with a slope of light and some low noise."""
    low, high = PLAIN_LIGHTS
    light = low + (high - low) * _uniform(count, generator).sqrt().view(-1, 1, 1, 1)
    light = torch.where(_uniform(count, generator).view(-1, 1, 1, 1) < 0.3, torch.ones_like(light), light)  # studio
    tint = 1 + TINT * _normal((count, 3, 1, 1), generator) * (light < 1)
    slope = F.interpolate(_normal((count, 1, 2, 2), generator), side, mode="bilinear", align_corners=True)
    coarse = _normal((count, 1, side // 16, side // 16), generator)
    cloud = F.interpolate(coarse, side, mode="bicubic", align_corners=True)
    strength = _uniform(count, generator).view(-1, 1, 1, 1) * (light < 1)
    return (light * tint * (1 + strength * (0.08 * slope + 0.02 * cloud))).clamp(0, 1)


def _cluttered(products: Tensor, below: Tensor, generator: Generator) -> Tensor:
    """Pieces of other products, larger than life and out of focus: things that lie about and are not for sale."""
    count, scene = len(below), below
    for _ in range(3):
        rgba = _picked(products, count, generator)
        large = _warped(rgba, _poses(count, (1.5, 4.0), math.pi, 1.0, generator), "zeros")
        scene = scene * (1 - large[:, 3:]) + _relit(large[:, :3], generator) * large[:, 3:]
    return _blurred(scene, 3)


def _shadow(cover: Tensor, share: float, generator: Generator) -> Tensor:
    """Factor of the light: the coverage moved, blurred and weakened; 1 where there is no shadow."""
    count, side = len(cover), cover.shape[-1]
    low, high = SHADOW_BLUR
    radius = round((low + (high - low) * _uniform(1, generator).item()) * side / 256)
    offset = [round(side * 0.06 * (_uniform(1, generator).item() * 2 - 1)) for _ in range(2)]
    small = F.avg_pool2d(torch.roll(cover, offset, (2, 3)), SHADOW_SCALE)
    soft = F.interpolate(_blurred(small, max(1, radius // SHADOW_SCALE)), side, mode="bilinear", align_corners=False)
    depth = SHADOW_DARKEST * _uniform(count, generator) * (_uniform(count, generator) < share)
    return 1 - depth.view(-1, 1, 1, 1) * soft


def _relit(pictures: Tensor, generator: Generator) -> Tensor:
    """Another exposure, contrast and tint for each picture."""
    count = len(pictures)
    low, high = GAIN
    gain = (low + (high - low) * _uniform(count, generator)).view(-1, 1, 1, 1)
    tint = 1 + TINT * _normal((count, 3, 1, 1), generator) / 2
    gamma = torch.exp(0.3 * _normal((count, 1, 1, 1), generator))
    changed = pictures.clamp(1e-4, 1) ** gamma * gain * tint
    alone = _uniform(count, generator).view(-1, 1, 1, 1) < 0.4
    return torch.where(alone, pictures, changed)


def _spoilt(photos: Tensor, generator: Generator) -> Tensor:
    """Soft focus in a third of the pictures, noise of different strengths in all."""
    soft = _uniform(len(photos), generator) < 0.33
    if soft.any():
        photos[soft] = _blurred(photos[soft], 1)
    strength = NOISE * _uniform(len(photos), generator).view(-1, 1, 1, 1) ** 2
    return photos + strength * _normal(photos.shape, generator)


def _blurred(pictures: Tensor, radius: int) -> Tensor:
    """Two box filters one after the other."""
    for _ in range(2):
        padded = F.pad(pictures, (radius,) * 4, mode="replicate")
        pictures = F.avg_pool2d(F.avg_pool2d(padded, (2 * radius + 1, 1), 1), (1, 2 * radius + 1), 1)
    return pictures


def _poses(count: int, scales: tuple[float, float], turn: float, shift: float, generator: Generator) -> Tensor:
    """Matrices (count, 2, 3) of `affine_grid`: output places -> input places; half of them mirrored."""
    low, high = scales
    scale = low * (high / low) ** _uniform(count, generator)
    angle = turn * (2 * _uniform(count, generator) - 1)
    mirror = torch.where(_uniform(count, generator) < 0.5, -1.0, 1.0)
    cosine, sine = torch.cos(angle) / scale, torch.sin(angle) / scale
    moves = 2 * shift * (2 * torch.rand(count, 2, generator=generator, device=generator.device) - 1)
    rows = torch.stack([torch.stack([cosine * mirror, -sine], 1), torch.stack([sine * mirror, cosine], 1)], 1)
    return torch.cat([rows, moves[:, :, None]], 2)


def _warped(pictures: Tensor, poses: Tensor, padding: str) -> Tensor:
    grid = F.affine_grid(poses, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def _picked(pictures: Tensor, count: int, generator: Generator) -> Tensor:
    return (
        pictures[torch.randint(0, len(pictures), (count,), generator=generator, device=generator.device)].float() / 255
    )


def _uniform(count: int, generator: Generator) -> Tensor:
    return torch.rand(count, generator=generator, device=generator.device)


def _normal(shape: Sequence[int], generator: Generator) -> Tensor:
    return torch.randn(*shape, generator=generator, device=generator.device)
