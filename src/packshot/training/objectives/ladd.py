"""Adversarial finishing of a flow: losses on the logits of `TokenCritic`. Pure functions.

`real` and `fake` are (N, places): noisy versions of a real picture and of the student's, under one condition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Score = Callable[[Sequence[Tensor]], Tensor]


def student_times(count: int, start_share: float, latest: float, generator: torch.Generator) -> Tensor:
    """(count,) times that the student starts from: exactly 0, pure noise, or anywhere up to `latest`.

    Args:
        count: of times.
        start_share: of zeros.
        latest: 0 to 1.
        generator: source of all randomness; the times are on its device.
    """
    draws = torch.rand(2, count, generator=generator, device=generator.device)
    return draws[0] * latest * (draws[1] >= start_share)


def feature_penalty(score: Score, tokens: Sequence[Tensor]) -> Tensor:
    """E[|grad_f D(f)|^2 / |f|] with f the frozen features: R1 or R2 on the heads' inputs (Sauer et al. 2023, ADD).

    The mean over a picture's features is taken, so that the strength does not depend on their number.
    """
    leaves = [some.detach().float().requires_grad_(True) for some in tokens]
    gradients = torch.autograd.grad(score(leaves).mean(1).sum(), leaves, create_graph=True)
    return torch.stack([gradient.square().flatten(1).sum(1).mean() for gradient in gradients]).sum()


def distillation(fake: Tensor, told: Tensor, untold: Tensor, guidance: float) -> Tensor:
    """E[|x - teacher(x_t)|^2] with the teacher's guided prediction held fast (Sauer et al. 2023, ADD, eq. 4).

    Args:
        fake: (N, 3, H, W) the student's pictures.
        told: the teacher's prediction behind noisy versions of them, with the condition.
        untold: the same without.
        guidance: scale of classifier-free guidance.
    """
    target = untold + guidance * (told - untold)
    return (fake - target.detach().clamp(-1, 1)).square().mean()


def patch_gap(above: Tensor, below: Tensor, coarse: Tensor) -> Tensor:
    """E[softplus(below - above)] over the patches of fine pictures, paired (Huang et al. 2024, R3GAN, eq. 2).

    Args:
        above: (N, 1, h, w) logits of what shall be seen as better: real ones for the critic, made ones for the maker.
        below: the same of their partners.
        coarse: (N,) 1 for pictures without detail, whose surfaces teach nothing.
    """
    weights = (1 - coarse).view(-1, 1, 1, 1).expand_as(above)
    return (F.softplus(below - above) * weights).sum() / weights.sum().clamp(min=1)
