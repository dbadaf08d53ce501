"""Differentiable augmentation that moves pictures and never touches their colour.

Real and fake pictures of a step get the same transform (Zhao et al. 2020, DiffAugment); what leaves the frame is
replaced by white, the background of every product picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class AugmentSpec:
    """How far pictures are moved.

    Attributes:
        share: of pictures that are transformed, 0 to 1; well below 1, or a generator learns the transform as well.
        translate: largest shift over the side, 0 to 0.5, in whole pixels.
        zoom: largest change of scale, 0 to 0.5.
        flip: probability of mirroring among the transformed pictures, 0 to 1.
    """

    share: float
    translate: float
    zoom: float
    flip: float


def draw_transforms(spec: AugmentSpec, count: int, side: int, generator: torch.Generator) -> Tensor:
    """Draw one affine transform a picture.

    Args:
        spec: how far.
        count: of pictures, N.
        side: of the pictures, pixels.
        generator: source of all randomness.

    Returns:
        (N, 2, 3) float on the generator's device, as `torch.nn.functional.affine_grid` takes it.
    """
    device = generator.device
    draws = torch.rand(count, 5, generator=generator, device=device)
    chosen = draws[:, 0] < spec.share
    shift = ((draws[:, 1:3] * 2 - 1) * spec.translate * side).round() * 2 / side
    scale = 1 + (draws[:, 3] * 2 - 1) * spec.zoom
    mirror = torch.where(draws[:, 4] < spec.flip, -1.0, 1.0)
    theta = torch.zeros(count, 2, 3, device=device)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = scale * mirror, scale, shift
    identity = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], device=device)
    return torch.where(chosen[:, None, None], theta, identity)


def move(pictures: Tensor, transforms: Tensor) -> Tensor:
    """Apply transforms; differentiable once in the pictures.

    Args:
        pictures: (N, 3, H, W), white = 1.
        transforms: (N, 2, 3) from `draw_transforms`, on the pictures' device.

    Returns:
        (N, 3, H, W), white where the transform looks outside.
    """
    grid = F.affine_grid(transforms, list(pictures.shape), align_corners=False)
    moved = F.grid_sample(pictures.float() - 1, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return moved + 1
