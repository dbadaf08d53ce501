"""Learning to enlarge: how pictures are made small, and what a good enlargement is. Imports only torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def degrade(fine: Tensor, factor: int, generator: torch.Generator) -> Tensor:
    """Make training inputs: reduce, then lose what a generator loses.

    Half of the pictures are softened by a 3x3 kernel of random weight, and all get a little noise, so that the upscaler
    also sharpens generated pictures, which are softer than reduced photographs.

    Args:
        fine: (N, 3, F H, F W) in [-1, 1].
        factor: F, how often it is reduced.
        generator: source of all randomness, on the device of `fine`.

    Returns:
        (N, 3, H, W) in [-1, 1].
    """

    def uniform() -> Tensor:
        return torch.rand(len(fine), 1, 1, 1, generator=generator, device=generator.device)

    area = F.avg_pool2d(fine, factor)
    cubic = F.interpolate(fine, scale_factor=1 / factor, mode="bicubic", antialias=True, align_corners=False)
    small = torch.where(uniform() < 0.5, area, cubic)
    side = uniform() * 0.5 * (uniform() < 0.5)
    padded = F.pad(small, (1, 1, 1, 1), mode="replicate")
    small = small * (1 - side) + F.avg_pool2d(padded, 3, stride=1) * side
    noise = torch.randn(small.shape, generator=generator, device=generator.device)
    return (small + noise * uniform() * 0.02).clamp(-1, 1)


def reduced(fine: Tensor, factor: int) -> Tensor:
    """(N, 3, F H, F W) in [-1, 1] -> (N, 3, H, W) by antialiased bicubic reduction: what enlarging is measured on."""
    small = F.interpolate(fine, scale_factor=1 / factor, mode="bicubic", antialias=True, align_corners=False)
    return small.clamp(-1, 1)


def psnr(found: Tensor, wanted: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture.

    Args:
        found: (N, 3, H, W) in [-1, 1].
        wanted: the same.

    Returns:
        (N,) decibels, at most 100.
    """
    error = (found.float() - wanted).square().mean(dim=(1, 2, 3)).clamp(min=4e-10)
    return 10 * torch.log10(4 / error)


def adversarial_weight(progress: float, weight: float, start: float, ramp: float) -> float:
    """The critic's weight at a share of the run: 0 up to `start`, then rising over `ramp` to `weight`."""
    return weight * min(1.0, max(0.0, progress - start) / ramp)


def feature_error(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of a critic's features, the stages alike (Wang et al. 2018, pix2pixHD, eq. 4)."""
    errors = [(a.float() - b.float().detach()).abs().mean() for a, b in zip(found, wanted, strict=True)]
    return torch.stack(errors).mean()


def charbonnier(found: Tensor, wanted: Tensor) -> Tensor:
    """Smooth absolute error sqrt(d^2 + 0.001^2), mean over everything (Charbonnier et al. 1994)."""
    return ((found - wanted).square() + 1e-6).sqrt().mean()


def gradient_error(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute error of horizontal and vertical differences: keeps edges crisp."""
    across = (found.diff(dim=3) - wanted.diff(dim=3)).abs().mean()
    down = (found.diff(dim=2) - wanted.diff(dim=2)).abs().mean()
    return across + down
