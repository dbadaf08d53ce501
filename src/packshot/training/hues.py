"""Turning the hues of pictures and of what is said about them: more colours of a product than there are photos of it.

A turn about OKLab's grey axis leaves white, black and every shade of lightness as they are, and the colours that a
condition names turn with it, so that the pair stays true.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from packshot.colour import LMS_TO_LAB, RGB_TO_LMS

CHROMA = (0.7, 1.3)
"""By how much colours become weaker or stronger."""
KINK, SLOPE, OFFSET, GAMMA = 0.04045, 12.92, 0.055, 2.4
"""Of the transfer function of sRGB (IEC 61966-2-1)."""


def draw_turns(count: int, generator: torch.Generator) -> Tensor:
    """(count, 2, 2) matrices for (a, b): a turn by any angle, and a change of chroma within `CHROMA`."""
    angle, strength = torch.rand(2, count, generator=generator, device=generator.device)
    low, high = CHROMA
    angle, factor = angle * 2 * math.pi, low + (high - low) * strength
    cosine, sine = angle.cos() * factor, angle.sin() * factor
    return torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)


def turn_pictures(pictures: Tensor, turns: Tensor) -> Tensor:
    """(N, 3, H, W) in [-1, 1] with turned hues; what leaves sRGB is clipped."""
    lab = _to_lab((pictures.float() + 1) / 2)
    turned = torch.cat([lab[:, :1], torch.einsum("nij,njhw->nihw", turns, lab[:, 1:])], 1)
    return _to_rgb(turned) * 2 - 1


def turn_colours(colours: Tensor, turns: Tensor) -> Tensor:
    """(N, 8) colour vectors, [1, L, a, b] twice, with turned hues."""
    parts = colours.view(-1, 2, 4)
    return torch.cat([parts[..., :2], torch.einsum("nij,nkj->nki", turns, parts[..., 2:])], 2).flatten(1)


def _to_lab(rgb: Tensor) -> Tensor:
    linear = torch.where(rgb <= KINK, rgb / SLOPE, ((rgb + OFFSET) / (1 + OFFSET)).clamp_min(0) ** GAMMA)
    cones = _mixed(linear, torch.from_numpy(RGB_TO_LMS)).clamp_min(0) ** (1 / 3)
    return _mixed(cones, torch.from_numpy(LMS_TO_LAB))


def _to_rgb(lab: Tensor) -> Tensor:
    cones = _mixed(lab, torch.from_numpy(LMS_TO_LAB).inverse()) ** 3
    linear = _mixed(cones, torch.from_numpy(RGB_TO_LMS).inverse()).clamp(0, 1)
    low = linear.clamp_min(KINK / SLOPE) ** (1 / GAMMA)
    return torch.where(linear <= KINK / SLOPE, linear * SLOPE, (1 + OFFSET) * low - OFFSET)


def _mixed(pictures: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("ij,njhw->nihw", matrix.to(pictures.device), pictures)
