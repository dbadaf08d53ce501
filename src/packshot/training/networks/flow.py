"""A small flow transformer over pixel patches, with a convolutional last stage that removes patch seams.

The network predicts the clean picture (x-prediction; Li & He 2025, "Back to Basics", arXiv:2511.13720), conditioned
through one shared modulation (adaLN-single; Chen et al. 2023, PixArt-alpha, section 2.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from packshot.training.networks.conditioner import Conditioner, ConditionerSpec, zeroed


@dataclass(frozen=True, slots=True)
class FlowSpec:
    """Sizes of a flow transformer; complete, without defaults.

    Attributes:
        resolution: side of the square picture, pixels.
        patch: side of one token's patch, pixels.
        width: length of a token.
        depth: number of transformer blocks.
        heads: attention heads; must divide `width`.
        refine: channels of the convolutional last stage.
        conditioner: sizes of the condition encoder; its width must equal `width`.
    """

    resolution: int
    patch: int
    width: int
    depth: int
    heads: int
    refine: int
    conditioner: ConditionerSpec


def _modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + scale) + shift


class _Block(nn.Module):
    """Pre-norm attention and gated MLP, modulated by the shared signal plus the block's own offset."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        hidden = width * 8 // 3 // 32 * 32
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.up = nn.Linear(width, 2 * hidden)
        self.down = nn.Linear(hidden, width)
        self.offset = nn.Parameter(torch.zeros(6, width))

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        n, tokens, width = x.shape
        parts = (signal + self.offset).unsqueeze(2).unbind(1)
        shift1, scale1, gate1, shift2, scale2, gate2 = parts
        q, k, v = (
            self.qkv(_modulate(self.norm1(x), shift1, scale1))
            .view(n, tokens, 3, self.heads, width // self.heads)
            .permute(2, 0, 3, 1, 4)
            .unbind(0)
        )
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, width)
        x = x + gate1 * self.out(attended)
        value, gate = self.up(_modulate(self.norm2(x), shift2, scale2)).chunk(2, dim=-1)
        grown: Tensor = x + gate2 * self.down(F.silu(gate) * value)
        return grown


class FlowTransformer(nn.Module):
    """x_hat(x_t, t, condition): the clean picture expected behind a noisy one."""

    def __init__(self, spec: FlowSpec) -> None:
        super().__init__()
        self.spec = spec
        self.grid = spec.resolution // spec.patch
        pixels = spec.patch * spec.patch * 3
        self.conditioner = Conditioner(spec.conditioner)
        self.embed = nn.Linear(pixels, spec.width)
        self.position = nn.Parameter(torch.randn(1, self.grid**2, spec.width) * 0.02)
        self.time = nn.Sequential(nn.Linear(64, spec.width), nn.SiLU(), nn.Linear(spec.width, spec.width))
        self.coarse = nn.Parameter(torch.zeros(spec.width))
        self.signal = zeroed(nn.Linear(spec.width, 6 * spec.width))
        self.blocks = nn.ModuleList(_Block(spec.width, spec.heads) for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.width, elementwise_affine=False)
        self.final = zeroed(nn.Linear(spec.width, 2 * spec.width))
        self.unembed = nn.Linear(spec.width, spec.patch * spec.patch * 4)
        self.refine = nn.Sequential(
            nn.Conv2d(7, spec.refine, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(spec.refine, spec.refine, 3, padding=1),
            nn.SiLU(),
            zeroed(nn.Conv2d(spec.refine, 3, 3, padding=1)),
        )

    def encode(self, slots: Tensor, colours: Tensor, text: Tensor, coarse: Tensor | None = None) -> Tensor:
        """Encode conditions once for a whole trajectory; see `Conditioner.forward`.

        Args:
            slots: see there, as are `colours` and `text`.
            colours: see there.
            text: see there.
            coarse: (N,) 1 for pictures without detail, see `Catalogue`; none wanted where it is left out, as at run
                time (micro-conditioning; Podell et al. 2023, SDXL, section 2.2).
        """
        encoded: Tensor = self.conditioner(slots, colours, text)
        return encoded if coarse is None else encoded + coarse[:, None] * self.coarse

    def forward(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """Predict clean pictures.

        Args:
            x: (N, 3, R, R) noisy pictures, white = 1 and black = -1 where clean.
            time: (N,) in [0, 1]; 0 is pure noise, 1 is clean.
            condition: (N, width) from `encode`.

        Returns:
            (N, 3, R, R) predicted clean pictures.
        """
        return self.look(x, time, condition, ())[0]

    def look(self, x: Tensor, time: Tensor, condition: Tensor, blocks: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
        """Predict clean pictures, and show the tokens on the way.

        Args:
            x: as in `forward`, as are `time` and `condition`.
            time: see there.
            condition: see there.
            blocks: after which of them the tokens are wanted, counted from 1, ascending.

        Returns:
            (N, 3, R, R) predicted clean pictures, and (N, tokens, width) for each of the blocks.
        """
        n, p, g = x.shape[0], self.spec.patch, self.grid
        patches = x.view(n, 3, g, p, g, p).permute(0, 2, 4, 3, 5, 1).reshape(n, g * g, p * p * 3)
        tokens = self.embed(patches) + self.position
        c = self.together(time, condition)
        signal = self.signal(c).view(n, 6, -1)
        seen = []
        for number, block in enumerate(self.blocks, start=1):
            tokens = block(tokens, signal)
            if number in blocks:
                seen.append(tokens)
        shift, scale = self.final(c).unsqueeze(1).chunk(2, dim=-1)
        tokens = self.unembed(_modulate(self.norm(tokens), shift, scale))
        maps = tokens.view(n, g, g, p, p, 4).permute(0, 5, 1, 3, 2, 4).reshape(n, 4, g * p, g * p)
        refined: Tensor = maps[:, :3] + self.refine(torch.cat([maps, x], dim=1))
        return refined, seen

    def together(self, time: Tensor, condition: Tensor) -> Tensor:
        """(N, width) of times and conditions, which modulates all blocks."""
        return F.silu(condition + self.time(_fourier(time).to(condition.dtype)))


def _fourier(time: Tensor) -> Tensor:
    """(N,) in [0, 1] -> (N, 64) sines and cosines, wavelengths from 2 down to 1/128 of the range."""
    frequencies = math.pi * torch.exp(torch.linspace(0, math.log(256.0), 32, device=time.device))
    angles = time.float().unsqueeze(1) * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)
