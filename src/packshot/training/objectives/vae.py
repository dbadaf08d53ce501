"""The evidence lower bound of a conditional VAE, per pixel. Pure functions."""

from __future__ import annotations

import torch
from torch import Tensor


def reparameterised(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Mean + deviation * noise: a draw that gradients pass through (Kingma & Welling 2014, section 2.4)."""
    return mean + (0.5 * log_variance).exp() * noise


def latent_divergence(mean: Tensor, log_variance: Tensor, free_bits: float) -> Tensor:
    """E[KL(N(mean, variance) || N(0, 1))], each latent dimension counted as at least `free_bits` (Kingma et al. 2016).

    Args:
        mean: (N, L).
        log_variance: (N, L).
        free_bits: nats per dimension that cost nothing, averaged over the batch; they keep dimensions alive.

    Returns:
        Nats per picture.
    """
    per_dimension = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(0)
    return torch.clamp(per_dimension, min=free_bits).sum()


def beta_weight(progress: float, beta: float, ramp: float) -> float:
    """The divergence's weight: rising from 0 over the first `ramp` of the run (Bowman et al. 2016)."""
    return beta * min(1.0, progress / ramp)
