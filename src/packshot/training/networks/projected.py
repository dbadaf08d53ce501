"""A discriminator that sees pictures through frozen features of EfficientNet-Lite0 (Sauer et al. 2021, Projected GANs).

As in the paper, maps of four depths are mixed across channels and across depths by fixed random convolutions (sections
3.2.1 and 3.2.2), and a small spectrally normalised critic looks at each. Unlike there, the four verdicts are averaged
before the loss, and the condition is projected onto each critic's features, as our own discriminator does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from packshot.evaluation.lite0 import MAP_CHANNELS, MAP_STRIDES, lite0_maps, load_lite0
from packshot.training.networks.conditioner import Conditioner, ConditionerSpec
from packshot.training.networks.gan import COARSEST, DownBlock, with_deviation

MIXING_SEED = 7
"""Of the fixed random convolutions: they are a part of the method, not of a run."""


@dataclass(frozen=True, slots=True)
class ProjectedSpec:
    """Sizes of a `ProjectedDiscriminator`; complete, without defaults.

    Attributes:
        side: pictures are brought to this before they are looked at, pixels; a power of two, 64 or more.
        channels: of the mixed maps and the critics.
        categories: outputs of the auxiliary head, 0 for none.
        conditioner: sizes of the condition encoder.
    """

    side: int
    channels: int
    categories: int
    conditioner: ConditionerSpec


class _Mixing(nn.Module):
    """Fixed random mixing across channels, then from coarse to fine across depths."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(MIXING_SEED)
            self.across_channels = nn.ModuleList(nn.Conv2d(wide, channels, 1, bias=False) for wide in MAP_CHANNELS)
            self.across_depths = nn.ModuleList(
                nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in MAP_CHANNELS
            )
            for convolution in (*self.across_channels, *self.across_depths):
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="linear")

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        mixed = [mix(some) for mix, some in zip(self.across_channels, maps, strict=True)]
        above, out = None, []
        for convolution, some in reversed(list(zip(self.across_depths, mixed, strict=True))):
            if above is not None:
                some = (some + F.interpolate(above, size=some.shape[2:], mode="nearest")) * math.sqrt(0.5)
            above = convolution(some)
            out.append(above)
        return out[::-1]


class _Critic(nn.Module):
    """A map -> (N, width)."""

    def __init__(self, side: int, channels: int, width: int) -> None:
        super().__init__()
        downs = max(0, int(math.log2(side / COARSEST)))
        sizes = [channels] * (downs + 1)
        self.blocks = nn.ModuleList(DownBlock(a, b) for a, b in pairwise(sizes))
        self.conv = nn.Conv2d(channels + 1, channels, 3, padding=1)
        self.flat = nn.Linear(channels * (side // 2**downs) ** 2, width)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                spectral_norm(layer)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        x = F.leaky_relu(self.conv(with_deviation(F.leaky_relu(x, 0.2))), 0.2)
        flat: Tensor = F.leaky_relu(self.flat(x.flatten(1)), 0.2)
        return flat


class ProjectedDiscriminator(nn.Module):
    """D(x, c) with the methods of `networks.gan.Discriminator`; pictures of every stage are brought to one side."""

    def __init__(self, spec: ProjectedSpec) -> None:
        """Load the frozen features.

        Raises:
            MissingExtraError: the package with their weights is not installed.
        """
        super().__init__()
        self.spec, width = spec, spec.conditioner.width
        self._names: dict[str, str] = {}
        for name, tensor in load_lite0("network.discriminator = 'projected'").items():
            if tensor.is_floating_point():  # a package carries them: they are no part of a checkpoint
                self._names[name] = "frozen_" + name.replace(".", "_")
                self.register_buffer(self._names[name], tensor, persistent=False)
        self.mixing = _Mixing(spec.channels).requires_grad_(False)
        sides = [spec.side // stride for stride in MAP_STRIDES]
        self.critics = nn.ModuleList(_Critic(side, spec.channels, width) for side in sides)
        self.real = nn.ModuleList(nn.Linear(width, 1) for _ in sides)
        self.conditioner = Conditioner(spec.conditioner)
        self.category = nn.Linear(width, spec.categories) if spec.categories else None

    def requires_grad_(self, requires_grad: bool = True) -> ProjectedDiscriminator:
        """As of any module, but the mixing stays fixed."""
        super().requires_grad_(requires_grad)
        self.mixing.requires_grad_(False)
        return self

    def features(self, pictures: Tensor, fade: Tensor | None = None) -> Tensor:
        """See pictures (N, 3, R, R) in [-1, 1] of any side; returns (N, critics, width).

        Layers need not fade in here: `fade` is only taken because our own discriminator needs it.
        """
        del fade
        side = self.spec.side
        if pictures.shape[-1] != side:
            pictures = F.interpolate(pictures, (side, side), mode="bilinear", align_corners=False)
        weights = {name: getattr(self, buffer) for name, buffer in self._names.items()}
        maps = self.mixing(lite0_maps((pictures * 127.5 + 0.5) / 128, weights))
        return torch.stack([critic(some) for critic, some in zip(self.critics, maps, strict=True)], dim=1)

    def encode(self, slots: Tensor, colours: Tensor, text: Tensor) -> Tensor:
        """Encode conditions; see `Conditioner.forward`."""
        encoded: Tensor = self.conditioner(slots, colours, text)
        return encoded

    def score(self, features: Tensor, condition: Tensor) -> Tensor:
        """Logits (N,) of features under conditions (N, width) from `encode`: the mean of the critics' verdicts."""
        projected = (features.float() * condition.float()[:, None]).sum(2) / math.sqrt(condition.shape[1])
        plain = torch.cat([head(features[:, number]) for number, head in enumerate(self.real)], dim=1).float()
        return (plain + projected).mean(1)

    def classify(self, features: Tensor) -> Tensor:
        """Logits (N, categories) of the auxiliary head.

        Raises:
            ValueError: the discriminator was built without one.
        """
        if self.category is None:
            raise ValueError("a discriminator without an auxiliary head cannot classify")
        logits: Tensor = self.category(features.mean(1)).float()
        return logits
