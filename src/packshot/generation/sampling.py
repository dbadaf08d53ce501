"""Samplers: they take functions and know nothing of networks, prompts or files."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Denoiser = Callable[[Array, float], Array]
"""(x_t, t) -> predicted clean picture; t runs from 0, pure noise, to 1, clean."""
FURTHEST = 1.6
"""To how much of its length the way between two embeddings may be prolonged; at twice the length no product is left."""


def times(steps: int, shift: float) -> NDArray[np.float64]:
    """Times of the steps, 0 to 1.

    Args:
        steps: number of evaluations.
        shift: 1 is uniform; larger values put more steps near the noise (Esser et al. 2024, eq. 23).

    Returns:
        (steps + 1,) ascending.
    """
    uniform = np.linspace(0.0, 1.0, steps + 1)
    return uniform / (shift - (shift - 1) * uniform)


def times_from(start: float, schedule: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part of a schedule that is left for a picture already at time `start`, beginning exactly there."""
    return np.concatenate([[start], schedule[schedule > start + 1e-6]])


def sample_flow(denoise: Denoiser, noise: Array, schedule: NDArray[np.float64]) -> Array:
    """Follow the rectified flow from noise to a picture with a second-order multistep rule.

    The exact solution of dx/dt = (x_hat - x) / (1 - t) over a step with x_hat linear in log(1 - t), extrapolated from
    the last two predictions: DPM-Solver++(2M) (Lu et al. 2022, algorithm 2) written for the flow path x_t = t x + (1
    - t) n. The last step returns the prediction itself.

    Args:
        denoise: the network's prediction.
        noise: (1, 3, R, R) standard normal, or a noisy picture of the schedule's first time.
        schedule: from `times` or `times_from`.

    Returns:
        (1, 3, R, R) in [-1, 1].
    """
    x, previous, previous_width = noise, None, 0.0
    for now, following in pairwise(schedule):
        predicted = np.clip(denoise(x, float(now)), -1.0, 1.0)
        if following >= 1.0:
            return predicted
        # The half log signal-to-noise ratio is the solver's clock; its infinite start is cut at t = 0.001.
        width = _clock(following) - _clock(max(now, 1e-3))
        target = predicted
        if previous is not None:
            target = predicted + width / (2 * previous_width) * (predicted - previous)
        keep = (1 - following) / (1 - now)
        x = np.asarray(keep * x + (following - now * keep) * target, np.float32)
        previous, previous_width = predicted, width
    return predicted


def sample_renoised(
    denoise: Denoiser, start: Array, schedule: NDArray[np.float64], noise: Callable[[], Array]
) -> Array:
    """Predict the picture at once, cover it with fresh noise, less each time, and predict again.

    For flows that were finished adversarially, whose predictions are pictures and not averages of pictures. Multistep
    sampling of Song et al. 2023 (Consistency Models, algorithm 1) on the path x_t = t x + (1 - t) n.

    Args:
        denoise: the network's prediction.
        start: (1, 3, R, R) standard normal, or a noisy picture of the schedule's first time.
        schedule: from `times` or `times_from`; its last time, 1, is not evaluated.
        noise: draws fresh noise of that shape.

    Returns:
        (1, 3, R, R) in [-1, 1].
    """
    x = start
    for now, following in pairwise(schedule):
        predicted = np.clip(denoise(x, float(now)), -1.0, 1.0)
        if following < 1.0:
            x = np.asarray(following * predicted + (1 - following) * noise(), np.float32)
    return predicted


def prolonged(wish: Array, origin: Array, scale: float) -> Array:
    """What guidance adds to a condition, at no cost: the way from another embedding to it goes on beyond it.

    For flows that were finished adversarially: their predictions under two conditions are pictures of two products, and
    not two averages of which the difference says what the condition does. Their embeddings can be moved, a little.

    Args:
        wish: embedding of what is wished.
        origin: of what guidance leads away from, of the same shape.
        scale: of guidance; 1 adds nothing, 0 leads back to the origin, and however large it is, the way becomes no
            longer than `FURTHEST` times its length.

    Returns:
        What is to be added to `wish`.
    """
    longer = scale if scale <= 1 else 1 + (FURTHEST - 1) * (1 - 1 / scale)
    return np.asarray((longer - 1) * (wish - origin), np.float32)


def _clock(t: float) -> float:
    return float(np.log(t) - np.log1p(-t))
