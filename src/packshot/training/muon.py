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
            alike: dict[torch.Size, list[nn.Parameter]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike.setdefault(matrix.shape, []).append(matrix)
            for matrices in alike.values():
                self._move(matrices, group)

    def _move(self, matrices: list[nn.Parameter], group: dict[str, Any]) -> None:
        """One step of matrices of one shape, multiplied together: a GPU waits for its next order otherwise."""
        for matrix in matrices:
            if not self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
        buffers = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, buffers, group["momentum"])
        values: list[Tensor] = list(matrices)
        updates = orthogonal(torch.stack(ahead)).unbind()
        torch._foreach_mul_(values, 1 - group["lr"] * group["weight_decay"])
        length = group["lr"] * RMS_OF_ADAMW * math.sqrt(max(matrices[0].shape))
        torch._foreach_add_(values, updates, alpha=-length)


def orthogonal(matrix: Tensor) -> Tensor:
    """About U V^T of matrices U S V^T: singular values end between 0.5 and 1.5 (Jordan et al. 2024).

    Args:
        matrix: (M, N), or several as (K, M, N).

    Returns:
        The same shape and type.
    """
    a, b, c = COEFFICIENTS
    x = matrix.bfloat16() if bfloat16_is_fast(matrix.device) else matrix.float()
    x = x.view(-1, *matrix.shape[-2:])
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=SMALLEST_NORM)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).reshape(matrix.shape).to(matrix.dtype)
