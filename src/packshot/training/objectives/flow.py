"""Rectified-flow objective with a network that predicts the clean picture. Pure functions.

Time 0 is noise, 1 is clean: x_t = t x + (1 - t) n (Liu et al. 2023); x-prediction: Li & He 2025 (arXiv:2511.13720).
"""

from __future__ import annotations

import torch
from torch import Tensor


def logit_normal_times(count: int, mean: float, deviation: float, generator: torch.Generator) -> Tensor:
    """(count,) times in (0, 1): sigmoid of a normal (Esser et al. 2024, section 3.1)."""
    draws = torch.randn(count, generator=generator, device=generator.device)
    return torch.sigmoid(draws * deviation + mean)


def noised(pictures: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """The point at `time` (N,) on the straight line from noise to pictures."""
    t = time.view(-1, 1, 1, 1)
    return t * pictures + (1 - t) * noise


def velocity_loss(predicted: Tensor, target: Tensor, time: Tensor, smallest_gap: float) -> Tensor:
    """Squared error of the velocity (x - x_t) / (1 - t) that a predicted clean picture stands for.

    Args:
        predicted: (N, 3, H, W) predicted clean pictures.
        target: (N, 3, H, W) clean pictures, or `folded_target`.
        time: (N,) in [0, 1].
        smallest_gap: 1 - t is not taken below this, or the last moments would outweigh all others.
    """
    gap = (1 - time.view(-1, 1, 1, 1)).clamp(min=smallest_gap)
    return ((predicted.float() - target) / gap).square().mean()


def folded_target(
    pictures: Tensor, conditional: Tensor, unconditional: Tensor, scale: float, applies: Tensor
) -> Tensor:
    """Guidance learnt into the network: x + (w - 1) [teacher(x_t, c) - teacher(x_t, 0)].

    With the teacher's prediction in place of x this is distillation of guidance (Meng et al. 2023, section 3.1).

    Tang et al. 2025 (arXiv:2502.12154). There the teacher is the running average; here it is the average of the moment
    when folding begins, so that the guidance stays at w. A network trained so needs one evaluation a step at run time
    instead of two.

    Args:
        pictures: (N, 3, H, W) clean pictures, or the teacher's predictions.
        conditional: the teacher's prediction with the condition.
        unconditional: its prediction without.
        scale: guidance scale w; 1 changes nothing.
        applies: (N,) bool, False where the plain target stays.
    """
    push = (scale - 1) * (conditional.float() - unconditional.float()).detach()
    return pictures + push * applies.view(-1, 1, 1, 1)
