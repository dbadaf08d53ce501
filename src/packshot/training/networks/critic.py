"""Small heads on the tokens of a frozen flow transformer: a discriminator that begins with knowing products.

Latent adversarial diffusion distillation (Sauer et al. 2024, LADD, section 3): the network that learnt to remove noise
is the feature network of a projected discriminator (Sauer et al. 2021), which so needs no pictures from elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
