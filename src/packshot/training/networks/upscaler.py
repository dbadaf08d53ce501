"""A ×2 or ×4 finishing network for product pictures: it gives a generator's soft pictures edges and surfaces.

Residual blocks without normalisation (EDSR; Lim et al. 2017) on maps of several sides (U-Net; Ronneberger et al. 2015),
so that a pixel is drawn knowing what it is part of, then sub-pixel convolution (Shi et al. 2016). It predicts the
difference to a bilinear enlargement, so that an untrained network already gives a picture. Inside, the finest maps are
a fourth of the result's side, whatever the factor, so that both cost the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from packshot.training.networks.conditioner import zeroed

FINEST = 4
"""How much larger the result is than the finest maps inside."""


@dataclass(frozen=True, slots=True)
class UpscalerSpec:
    """Sizes of an upscaler; complete, without defaults.

    Attributes:
        channels: of the maps at a fourth of the result's side, an eighth …
        blocks: residual blocks at each of these sides; half of them before the coarser sides, the rest behind.
        detail: channels of the last stage, at half of the final resolution.
        factor: 2 or 4, how much larger the result is.
    """

    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    detail: int
    factor: int


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.SiLU(), zeroed(nn.Conv2d(channels, channels, 3, padding=1))
        )

    def forward(self, x: Tensor) -> Tensor:
        grown: Tensor = x + self.body(x)
        return grown


class _Level(nn.Module):
    """Residual blocks at one side, around the coarser levels: (N, channels[0], H, W) -> the same."""

    def __init__(self, channels: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        own, early = channels[0], blocks[0] // 2 if len(channels) > 1 else blocks[0]
        self.before = nn.Sequential(*(_Residual(own) for _ in range(early)))
        self.after = nn.Sequential(*(_Residual(own) for _ in range(blocks[0] - early)))
        self.coarser: nn.Sequential | None = None
        if len(channels) > 1:
            self.coarser = nn.Sequential(
                nn.Conv2d(own, channels[1], 3, stride=2, padding=1),
                _Level(channels[1:], blocks[1:]),
                nn.SiLU(),
                nn.Conv2d(channels[1], own, 1),
                nn.Upsample(scale_factor=2, mode="nearest"),
            )

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        if self.coarser is not None:
            x = x + self.coarser(x)
        levelled: Tensor = self.after(x)
        return levelled


class Upscaler(nn.Module):
    """(N, 3, H, W) in [-1, 1] -> (N, 3, F H, F W) in about [-1, 1]; F the factor.

    H and W are multiples of (4 // F) * 2 ** (levels - 1).
    """

    def __init__(self, spec: UpscalerSpec) -> None:
        super().__init__()
        self.spec = spec
        self.fold = FINEST // spec.factor
        self.head = nn.Conv2d(3 * self.fold**2, spec.channels[0], 3, padding=1)
        self.trunk = _Level(spec.channels, spec.blocks)
        self.grow = nn.Conv2d(spec.channels[0], spec.detail * 4, 3, padding=1)
        self.polish = nn.Sequential(nn.SiLU(), nn.Conv2d(spec.detail, spec.detail, 3, padding=1), nn.SiLU())
        self.last = zeroed(nn.Conv2d(spec.detail, 12, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge; see the class for shapes and ranges."""
        folded = x if self.fold == 1 else F.pixel_unshuffle(x, self.fold)
        features = self.trunk(self.head(folded))
        half = self.polish(F.pixel_shuffle(self.grow(features), 2))
        base = F.interpolate(x, scale_factor=self.spec.factor, mode="bilinear", align_corners=False)
        enlarged: Tensor = base + F.pixel_shuffle(self.last(half), 2)
        return enlarged
