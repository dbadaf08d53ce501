"""Discriminators beside the GAN's own: of a frozen flow transformer's tokens, and of patches of pixels.

The first begins with knowing products (latent adversarial diffusion distillation; Sauer et al. 2024, LADD, section 3):
the network that learnt to remove noise is the feature network of a projected discriminator (Sauer et al. 2021), which
so needs no pictures from elsewhere. The second sees surfaces, and nothing of what a product is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FOLD = 4
"""Pixels, each way, that a critic of patches sees as one."""


@dataclass(frozen=True, slots=True)
class TokenCriticSpec:
    """Sizes of the heads; complete, without defaults.

    Attributes:
        blocks: after which of the transformer's blocks a head reads, counted from 1.
        tokens: length of a token, and of the condition.
        grid: tokens along one side of the picture.
        width: channels inside a head.
    """

    blocks: tuple[int, ...]
    tokens: int
    grid: int
    width: int


class _Head(nn.Module):
    """(N, grid², tokens) and condition (N, tokens) -> logits (N, grid²), one for each place."""

    def __init__(self, spec: TokenCriticSpec) -> None:
        super().__init__()
        self.grid = spec.grid
        self.norm = nn.LayerNorm(spec.tokens, elementwise_affine=False)
        self.reduce = nn.Linear(spec.tokens, spec.width)
        self.conv = nn.Conv2d(spec.width, spec.width, 3, padding=1)
        self.real = nn.Linear(spec.width, 1)
        self.project = nn.Linear(spec.tokens, spec.width)

    def forward(self, tokens: Tensor, condition: Tensor) -> Tensor:
        x = F.leaky_relu(self.reduce(self.norm(tokens)), 0.2)
        maps = x.transpose(1, 2).reshape(len(x), -1, self.grid, self.grid)
        x = F.leaky_relu(maps + self.conv(maps), 0.2).flatten(2).transpose(1, 2)
        fits = (x * self.project(condition).unsqueeze(1)).sum(2) / math.sqrt(x.shape[2])
        logits: Tensor = self.real(x).squeeze(2) + fits
        return logits


class TokenCritic(nn.Module):
    """Logits of noisy pictures from what a flow transformer sees in them."""

    def __init__(self, spec: TokenCriticSpec) -> None:
        super().__init__()
        self.spec = spec
        self.heads = nn.ModuleList(_Head(spec) for _ in spec.blocks)

    def forward(self, tokens: Sequence[Tensor], condition: Tensor) -> Tensor:
        """Score.

        Args:
            tokens: (N, grid², tokens) after each of `spec.blocks`.
            condition: (N, tokens), of product and time, as the transformer took it.

        Returns:
            (N, heads * grid²) logits.
        """
        return torch.cat([head(some, condition) for head, some in zip(self.heads, tokens, strict=True)], dim=1)


class PatchCritic(nn.Module):
    """Judges patches of a picture (Isola et al. 2017); every layer is 1-Lipschitz (Miyato et al. 2018).

    It sees no condition. Of an upscaler's small picture it must not: that of a redrawn pair fits the enlargement pixel
    by pixel and the photograph not at all, so that a critic who compares them learns nothing about looks, and wins
    without end. Every block of 4x4 pixels goes to channels first.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        sizes = [3 * FOLD**2, *channels]
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.utils.spectral_norm(nn.Conv2d(a, b, 3, stride=2 if index else 1, padding=1)),
                nn.LeakyReLU(0.2),
            )
            for index, (a, b) in enumerate(pairwise(sizes))
        )
        self.verdict = nn.utils.spectral_norm(nn.Conv2d(sizes[-1], 1, 3, padding=1))

    def forward(self, picture: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(N, 3, H, W) -> logits (N, 1, h, w) and the features of every stage."""
        x = F.pixel_unshuffle(picture, FOLD).to(memory_format=torch.channels_last)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return self.verdict(x), features
