"""Adversarial losses on logits. Pure functions; they know neither networks nor data.

`real` is D(x, c), `fake` is D(G(z, c), c), `wrong` is D(x, c') with the condition of another product, all (N,).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def classic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log D(x, c)] - E[log(1 - D(G(z, c), c))], with D = sigmoid(logit) (Goodfellow et al. 2014, eq. 1)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def classic_generator(fake: Tensor) -> Tensor:
    """-E[log D(G(z, c))], the non-saturating loss (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake).mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[f(D(G(z)) - D(x))] with f = softplus: real above its partner (Huang et al. 2024, R3GAN, eq. 2)."""
    return F.softplus(fake - real).mean()


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """The same pairing seen from the generator: fake above its partner."""
    return F.softplus(real - fake).mean()


def mismatched_classic(wrong: Tensor, applies: Tensor) -> Tensor:
    """-E[log(1 - D(x, c'))]: a real picture with another's description is a fake (Reed et al. 2016, GAN-CLS).

    Args:
        wrong: (N,) logits.
        applies: (N,) bool, False where c' describes the picture as well.
    """
    return _mean_where(F.softplus(wrong), applies)


def mismatched_relativistic(real: Tensor, wrong: Tensor, applies: Tensor) -> Tensor:
    """E[softplus(D(x, c') - D(x, c))]: GAN-CLS in relativistic form; see `mismatched_classic`."""
    return _mean_where(F.softplus(wrong - real), applies)


def zero_centred_penalty(score: Callable[[Tensor], Tensor], pictures: Tensor) -> Tensor:
    """E[|grad_x D(x)|^2]: R1 on real pictures, R2 on fake ones (Mescheder et al. 2018; Huang et al. 2024).

    Multiply by gamma / 2, and by k where it is evaluated every k-th step only (lazily; Karras et al. 2020).
    """
    pictures = pictures.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(score(pictures).sum(), pictures, create_graph=True)
    return gradient.float().square().flatten(1).sum(1).mean()


def conditioning_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """E[KL(N(mean, variance) || N(0, 1))] of conditioning augmentation (Zhang et al. 2017, StackGAN, eq. 2)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()


def mode_seeking(first: Tensor, second: Tensor, latent: Tensor, other: Tensor) -> Tensor:
    """1 / ratio of the distances of pictures to those of their latents (Mao et al. 2019, MSGAN, eq. 2).

    Args:
        first: (N, 3, H, W) pictures.
        second: the same conditions with other latents.
        latent: (N, L) of `first`.
        other: (N, L) of `second`.
    """
    apart = (first.float() - second.float()).abs().mean()
    return 1 / (apart / (latent - other).abs().mean() + 1e-5)


def _mean_where(values: Tensor, applies: Tensor) -> Tensor:
    weights = applies.to(values.dtype)
    return (values * weights).sum() / weights.sum().clamp(min=1)
