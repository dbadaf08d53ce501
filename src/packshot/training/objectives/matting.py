"""What is asked of a coverage: each pixel, more so near outlines, each size of detail, and the whole."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

EDGE_REACH = 4
"""Pixels from an outline within which a pixel counts more."""
SIZES = 3
"""Levels of the pyramid."""


def pixel_error(logits: Tensor, coverage: Tensor, edge: float) -> Tensor:
    """Mean of cross-entropy and absolute error, weighted 1 + `edge` near outlines.

    Args:
        logits: (N, 1, H, W).
        coverage: (N, 1, H, W) in [0, 1].
        edge: at least 0.
    """
    size = 2 * EDGE_REACH + 1
    largest = F.max_pool2d(coverage, size, 1, EDGE_REACH)
    least = -F.max_pool2d(-coverage, size, 1, EDGE_REACH)
    weight = 1 + edge * (largest - least)
    error = F.binary_cross_entropy_with_logits(logits, coverage, reduction="none")
    error = error / 2 + (torch.sigmoid(logits) - coverage).abs()
    return (error * weight).sum() / weight.sum()


def laplacian_error(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference of Laplacian pyramids (Hou & Liu 2019, Context-Aware Image Matting, equation 5)."""
    total = torch.zeros((), device=found.device)
    difference = found - wanted
    for size in range(SIZES):
        coarser = F.avg_pool2d(difference, 2)
        detail = difference - F.interpolate(coarser, scale_factor=2, mode="bilinear", align_corners=False)
        total = total + 2**size * detail.abs().mean()
        difference = coarser
    return total


def overlap_error(found: Tensor, wanted: Tensor) -> Tensor:
    """One minus the soft intersection over union, mean over pictures (Rahman & Wang 2016, equation 3)."""
    both, either = (found * wanted).sum((1, 2, 3)), (found + wanted - found * wanted).sum((1, 2, 3))
    return 1 - ((both + 1) / (either + 1)).mean()
