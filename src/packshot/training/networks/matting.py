"""Photo -> coverage by the product: EfficientNet-Lite0 (Tan & Le 2019) and a light decoder that goes back up to pixels.

The encoder's batch norms are folded into its convolutions: running statistics need no batch, so that a few pictures a
step are enough to train on. Maps are joined on the way up as in U-Net (Ronneberger et al. 2015), by depthwise
separable convolutions, and the last step sees the photo itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ENCODER = (
    # kernel, stride, repeats, expansion, channels: table 1 of the paper with Lite's fixed stem
    (3, 1, 1, 1, 16),
    (3, 2, 2, 6, 24),
    (5, 2, 2, 6, 40),
    (3, 2, 3, 6, 80),
    (5, 1, 3, 6, 112),
    (5, 2, 4, 6, 192),
    (3, 1, 1, 6, 320),
)
STEM = 32
TAPS = {0: 16, 1: 24, 2: 40, 4: 112, 6: 320}
"""Stages whose maps are used, the last ones of a side (1/2, 1/4, 1/8, 1/16, 1/32), and their channels."""
EPSILON = 1e-3
"""Of the folded batch norms."""
STRIDE = 32
"""Sides of the photo must be multiples of it."""


@dataclass(frozen=True, slots=True)
class MattingSpec:
    """Sizes of a matting network; complete, without defaults.

    Attributes:
        decoder: channels of the decoder at 1/32, 1/16, 1/8, 1/4 and 1/2 of the side.
        detail: channels at the photo's own side.
    """

    decoder: tuple[int, ...]
    detail: int


class _Same(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME does for even sides: with stride 2 more below and right."""

    def __init__(self, taken: int, given: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(taken, given, kernel, stride, groups=groups, padding=(kernel // 2 if stride == 1 else 0))
        before = (kernel - 2) // 2
        self.uneven = (before, kernel - 2 - before, before, kernel - 2 - before) if stride == 2 else None

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.uneven is None else F.pad(x, self.uneven))


class _Inverted(nn.Module):
    """An inverted residual without squeeze and excitation, as Lite has it."""

    def __init__(self, taken: int, given: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = taken * expansion
        self.expand = _Same(taken, inner, 1) if expansion > 1 else None
        self.depthwise = _Same(inner, inner, kernel, stride, groups=inner)
        self.project = _Same(inner, given, 1)
        self.adds = stride == 1 and taken == given

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand is None else F.relu6(self.expand(x))
        inner = self.project(F.relu6(self.depthwise(inner)))
        grown: Tensor = x + inner if self.adds else inner
        return grown


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = _Same(3, STEM, 3, 2)
        self.stages = nn.ModuleList()
        taken = STEM
        for kernel, stride, repeats, expansion, given in ENCODER:
            blocks = []
            for repeat in range(repeats):
                blocks.append(_Inverted(taken, given, kernel, stride if repeat == 0 else 1, expansion))
                taken = given
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of `TAPS`, the finest first."""
        x, maps = F.relu6(self.stem(x)), []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in TAPS:
                maps.append(x)
        return maps


class _Join(nn.Module):
    """(coarse map, finer map) -> a map of the finer side."""

    def __init__(self, coarse: int, fine: int, given: int) -> None:
        super().__init__()
        self.up = nn.Conv2d(coarse, given, 1)
        self.across = nn.Conv2d(fine, given, 1)
        self.space = nn.Conv2d(given, given, 5, padding=2, groups=given)
        self.mix = nn.Conv2d(given, given, 1)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        both = F.interpolate(self.up(coarse), scale_factor=2, mode="bilinear", align_corners=False) + self.across(fine)
        joined: Tensor = F.silu(both)
        return joined + F.silu(self.mix(self.space(joined)))


class MattingNetwork(nn.Module):
    """(N, 3, H, W) sRGB in [-1, 1] -> logits of coverage (N, 1, H, W); H and W multiples of `STRIDE`."""

    def __init__(self, spec: MattingSpec) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = _Encoder()
        taps, widths = list(TAPS.values()), spec.decoder
        self.deepest = nn.Conv2d(taps[-1], widths[0], 1)
        self.all_over = nn.Linear(taps[-1], widths[0])
        self.joins = nn.ModuleList(
            _Join(coarse, fine, given)
            for coarse, fine, given in zip(widths[:-1], reversed(taps[:-1]), widths[1:], strict=True)
        )
        self.early = nn.Conv2d(widths[2], 1, 1)
        self.photo = nn.Conv2d(3, spec.detail, 3, padding=1)
        self.widen = nn.Conv2d(widths[-1], spec.detail, 1)
        self.polish = nn.Conv2d(spec.detail, spec.detail, 3, padding=1)
        self.last = nn.Conv2d(spec.detail, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of coverage; see the class for shapes and ranges."""
        return self.both(x)[0]

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits at the photo's side, and early ones at an eighth of it, which training also looks at."""
        maps = self.encoder(x)
        seen = self.all_over(maps[-1].mean((2, 3)))[:, :, None, None]
        y, early = F.silu(self.deepest(maps[-1]) + seen), x
        for number, (join, fine) in enumerate(zip(self.joins, reversed(maps[:-1]), strict=True)):
            y = join(y, fine)
            if number == 1:
                early = self.early(y)
        y = F.interpolate(self.widen(y), scale_factor=2, mode="bilinear", align_corners=False)
        y = F.silu(y + self.photo(x))
        return self.last(F.silu(self.polish(y))), early


@torch.no_grad()
def load_encoder(network: MattingNetwork, weights: Mapping[str, Tensor]) -> None:
    """Begin with ImageNet's weights, batch norms folded in.

    Args:
        network: is changed in place.
        weights: of `packshot.evaluation.lite0.load_lite0`.
    """
    encoder = network.encoder
    _fold(encoder.stem, weights, "_conv_stem", "_bn0")
    index = 0
    for stage in encoder.stages:
        assert isinstance(stage, nn.Sequential)
        for block in stage:
            assert isinstance(block, _Inverted)
            at = f"_blocks.{index}."
            if block.expand is not None:
                _fold(block.expand, weights, at + "_expand_conv", at + "_bn0")
            _fold(block.depthwise, weights, at + "_depthwise_conv", at + "_bn1")
            _fold(block.project, weights, at + "_project_conv", at + "_bn2")
            index += 1
    # ImageNet's Lite sees 0 at grey 127 and 1 at 255, which is [-1, 1] over 0.992: near enough.


def _fold(layer: _Same, weights: Mapping[str, Tensor], convolution: str, norm: str) -> None:
    gain = weights[norm + ".weight"] / torch.sqrt(weights[norm + ".running_var"] + EPSILON)
    layer.weight.copy_(weights[convolution + ".weight"] * gain[:, None, None, None])
    assert layer.bias is not None
    layer.bias.copy_(weights[norm + ".bias"] - weights[norm + ".running_mean"] * gain)
