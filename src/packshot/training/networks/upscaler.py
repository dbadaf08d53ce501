"""A ×4 super-resolution network for product pictures: residual blocks at low resolution, then sub-pixel convolution.

EDSR without batch normalisation (Lim et al. 2017), with pixel shuffle (Shi et al. 2016). It predicts the difference
to a bilinear enlargement, so that an untrained network already gives a picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from packshot.training.networks.conditioner import zeroed


@dataclass(frozen=True, slots=True)
class UpscalerSpec:
    """Sizes of an upscaler; complete, without defaults.

    Attributes:
        channels: width of the trunk.
        blocks: residual blocks in the trunk.
        detail: channels of the last stage, at half of the final resolution.
    """

    channels: int
    blocks: int
    detail: int


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.SiLU(), zeroed(nn.Conv2d(channels, channels, 3, padding=1))
        )

    def forward(self, x: Tensor) -> Tensor:
        grown: Tensor = x + self.body(x)
        return grown


class Upscaler(nn.Module):
    """(N, 3, H, W) in [-1, 1] -> (N, 3, 4H, 4W) in about [-1, 1]."""

    def __init__(self, spec: UpscalerSpec) -> None:
        super().__init__()
        self.spec = spec
        self.head = nn.Conv2d(3, spec.channels, 3, padding=1)
        self.trunk = nn.Sequential(*(_Residual(spec.channels) for _ in range(spec.blocks)))
        self.grow = nn.Conv2d(spec.channels, spec.detail * 4, 3, padding=1)
        self.polish = nn.Sequential(nn.SiLU(), nn.Conv2d(spec.detail, spec.detail, 3, padding=1), nn.SiLU())
        self.last = zeroed(nn.Conv2d(spec.detail, 12, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge four times; see the class for shapes and ranges."""
        features = self.trunk(self.head(x))
        half = self.polish(F.pixel_shuffle(self.grow(features), 2))
        base = F.interpolate(x, scale_factor=4, mode="bilinear", align_corners=False)
        enlarged: Tensor = base + F.pixel_shuffle(self.last(half), 2)
        return enlarged
