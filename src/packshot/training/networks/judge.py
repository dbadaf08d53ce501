"""A small residual classifier of product pictures: what is it, and what colour (He et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class JudgeSpec:
    """Sizes of a judge; complete, without defaults.

    Attributes:
        resolution: side of the square picture, pixels; a multiple of 16.
        widths: channels of the stages, at 1/2, 1/4, 1/8 and 1/16 of the resolution.
        features: length of the vector the heads read, which is also the judge's feature vector.
        categories: logits of the category head.
        colours: logits of the colour-word head.
    """

    resolution: int
    widths: tuple[int, ...]
    features: int
    categories: int
    colours: int


class _Block(nn.Module):
    """Two 3x3 convolutions beside a skip; batch norms are folded into the convolutions on export."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(after)
        nn.init.zeros_(self.second_norm.weight)  # every block starts as its skip (Goyal et al. 2017, section 5.1)
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.skip = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.second_norm(self.second(F.relu(self.first_norm(self.first(x)))))
        return F.relu(inner + self.skip(x))


class JudgeNetwork(nn.Module):
    """Picture -> logits of categories, logits of colour words, and the features both are read from."""

    def __init__(self, spec: JudgeSpec) -> None:
        super().__init__()
        self.spec = spec
        self.stem = nn.Conv2d(3, spec.widths[0], 3, 2, 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(spec.widths[0])
        blocks = [_Block(spec.widths[0], spec.widths[0], 1)]
        for before, after in zip(spec.widths[:-1], spec.widths[1:], strict=True):
            blocks.append(_Block(before, after, 2))
        self.blocks = nn.Sequential(*blocks)
        self.neck = nn.Linear(spec.widths[-1], spec.features)
        self.dropout = nn.Dropout(0.1)
        self.category = nn.Linear(spec.features, spec.categories)
        self.colour = nn.Linear(spec.features, spec.colours)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge pictures.

        Args:
            x: (N, 3, R, R), white = 1 and black = -1.

        Returns:
            (N, categories) logits, (N, colours) logits, (N, features) non-negative floats.
        """
        maps = self.blocks(F.relu(self.stem_norm(self.stem(x))))
        features = F.relu(self.neck(maps.mean((2, 3))))
        read = self.dropout(features)
        return self.category(read), self.colour(read), features


def parameter_count(network: nn.Module) -> int:
    """Number of trained values."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def freeze_statistics(network: nn.Module) -> nn.Module:
    """Put a network in the mode in which it is used: running statistics fixed, no dropout."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and not torch.isfinite(module.running_var).all():  # type: ignore[arg-type]
            raise FloatingPointError("a batch norm's running variance is not finite: training has diverged")
    return network.eval()
