"""Muon (Jordan et al. 2024): momentum whose matrix is made orthogonal before the step.

`torch.optim.Muon` always multiplies in bfloat16, which processors without it imitate, far slower than they multiply
float32 (0.8 against 69 GFLOP/s, see docs/training-log.md). This one asks first; else it is the same rule with
the learning rate of Liu et al. 2025 (arXiv:2502.16982), and a test holds them against each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from packshot.training.precision import bfloat16_is_fast

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration; see `orthogonal`."""
ITERATIONS, SMALLEST_NORM = 5, 1e-7
RMS_OF_ADAMW = 0.2
"""An AdamW update has about this root mean square; so that both take the same learning rate (Liu et al., eq. 4)."""


class Muon(torch.optim.Optimizer):
    """Momentum with Nesterov's look ahead, orthogonal updates, decoupled weight decay; for matrices only."""

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, *, weight_decay: float, momentum: float) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step; matrices without a gradient stay."""
        assert closure is None, "the loop computes losses itself"
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    self._move(matrix, group)

    def _move(self, matrix: nn.Parameter, group: dict[str, Any]) -> None:
        assert matrix.grad is not None
        state = self.state[matrix]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        buffer: Tensor = state["momentum_buffer"]
        buffer.lerp_(matrix.grad, 1 - group["momentum"])
        update = orthogonal(matrix.grad.lerp(buffer, group["momentum"]))
        matrix.mul_(1 - group["lr"] * group["weight_decay"])
        matrix.add_(update, alpha=-group["lr"] * RMS_OF_ADAMW * math.sqrt(max(matrix.shape)))


def orthogonal(matrix: Tensor) -> Tensor:
    """About U V^T of a matrix U S V^T: singular values end between 0.5 and 1.5 (Jordan et al. 2024).

    Args:
        matrix: (M, N).

    Returns:
        (M, N) of the same type.
    """
    a, b, c = COEFFICIENTS
    x = matrix.bfloat16() if bfloat16_is_fast(matrix.device) else matrix.float()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / x.norm().clamp(min=SMALLEST_NORM)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.T if tall else x).to(matrix.dtype)
