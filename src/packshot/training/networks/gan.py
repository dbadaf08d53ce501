"""A small conditional generator G(z, c) and discriminator D(x, c) for product pictures.

G: residual up-sampling blocks whose group norms are modulated by latent and condition (FiLM; Perez et al. 2018), with
conditioning augmentation of the sentence (Zhang et al. 2017, StackGAN). D: residual down-sampling without batch norm,
minibatch deviation (Karras et al. 2018), and a projection of the condition (Miyato & Koyama 2018) beside an
unconditional head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from packshot.training.networks.conditioner import Conditioner, ConditionerSpec

COARSEST = 4
"""Side of G's first and D's last feature maps, pixels."""
DEVIATION_GROUP = 8
"""Pictures that minibatch deviation compares with each other."""


@dataclass(frozen=True, slots=True)
class GanSpec:
    """Sizes of a generator and its discriminator; complete, without defaults.

    Attributes:
        resolution: side of the square picture, pixels: `4 * 2 ** (len(generator_channels) - 1)`.
        latent: length of z.
        style: length of the vector that modulates G's blocks.
        augmented_text: length of the Gaussian condition that stands for the sentence in G.
        generator_channels: of G's feature maps at sides 4, 8, … `resolution`.
        discriminator_channels: of D's feature maps at sides `resolution / 2`, … 8, 4.
        early: sides of the pictures that come before those of `resolution` while the networks grow, ascending.
        categories: outputs of D's auxiliary head (Odena et al. 2017), 0 for none.
        conditioner: sizes of the condition encoder; its `text_features` is the length of the sentence embedding.
    """

    resolution: int
    latent: int
    style: int
    augmented_text: int
    generator_channels: tuple[int, ...]
    discriminator_channels: tuple[int, ...]
    early: tuple[int, ...]
    categories: int
    conditioner: ConditionerSpec


@dataclass(frozen=True, slots=True)
class Stage:
    """How far networks have grown (Karras et al. 2018, Progressive Growing of GANs, section 2 and figure 2).

    Attributes:
        side: of the pictures, pixels.
        fade: () how much of the newest layers is mixed in, 0 to 1; None where all of them is.
    """

    side: int
    fade: Tensor | None


class _ModulatedNorm(nn.Module):
    """Group norm whose scale and shift are read from the style."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.groups = math.gcd(channels, max(1, channels // 8))
        self.film = nn.Linear(style, 2 * channels)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.film(style)[:, :, None, None].chunk(2, dim=1)
        return F.silu(F.group_norm(x, self.groups) * (1 + scale) + shift)


class _UpBlock(nn.Module):
    """(N, in, H, W) -> (N, out, 2H, 2W)."""

    def __init__(self, channels_in: int, channels_out: int, style: int) -> None:
        super().__init__()
        self.norm1 = _ModulatedNorm(channels_in, style)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.norm2 = _ModulatedNorm(channels_out, style)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.skip = nn.Conv2d(channels_in, channels_out, 1, bias=False)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        grown = self.conv1(F.interpolate(self.norm1(x, style), scale_factor=2.0, mode="nearest"))
        grown = self.conv2(self.norm2(grown, style))
        total: Tensor = grown + F.interpolate(self.skip(x), scale_factor=2.0, mode="nearest")
        return total


class _EarlyPicture(nn.Module):
    """Maps of a side that is not the last one -> pictures before tanh."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.norm = _ModulatedNorm(channels, style)
        self.last = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        pictures: Tensor = self.last(self.norm(x, style)).float()
        return pictures


class AugmentedConditioner(nn.Module):
    """A conditioner that reads a Gaussian of the sentence instead of the sentence (Zhang et al. 2017, section 3.2).

    The space between the few sentences of a small catalogue is filled so, and a generator cannot learn them by heart.
    """

    def __init__(self, spec: ConditionerSpec, augmented_text: int) -> None:
        super().__init__()
        self.sentence = nn.Linear(spec.text_features, 2 * augmented_text)
        nn.init.zeros_(self.sentence.bias)
        self.inner = Conditioner(ConditionerSpec(spec.vocabulary, spec.colour_features, augmented_text, spec.width))

    def gaussian(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, both (N, augmented_text), of what sentences (N, text_features) stand for."""
        mean, log_variance = self.sentence(text).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 10)

    def forward(self, slots: Tensor, colours: Tensor, text: Tensor, noise: Tensor | None = None) -> Tensor:
        """Encode conditions.

        Args:
            slots: see `Conditioner.forward`.
            colours: see `Conditioner.forward`.
            text: (N, text_features) sentence embeddings, zeros where there is no text.
            noise: (N, augmented_text) standard normal; None takes the mean, as at run time.

        Returns:
            (N, width) float.
        """
        mean, log_variance = self.gaussian(text)
        said = (text.abs().sum(1, keepdim=True) > 0).to(mean.dtype)  # silence is exact: nothing to augment
        sampled = mean if noise is None else mean + (0.5 * log_variance).exp() * noise
        encoded: Tensor = self.inner(slots, colours, sampled * said)
        return encoded


class Generator(nn.Module):
    """G(z, c): latent and condition -> picture."""

    def __init__(self, spec: GanSpec) -> None:
        super().__init__()
        self.spec = spec
        self.conditioner = AugmentedConditioner(spec.conditioner, spec.augmented_text)
        self.mapping = nn.Sequential(
            nn.Linear(spec.latent + spec.conditioner.width, spec.style),
            nn.SiLU(),
            nn.Linear(spec.style, spec.style),
            nn.SiLU(),
        )
        channels = spec.generator_channels
        self.seed = nn.Linear(spec.style, channels[0] * COARSEST**2)
        self.blocks = nn.ModuleList(_UpBlock(a, b, spec.style) for a, b in pairwise(channels))
        self.norm = _ModulatedNorm(channels[-1], spec.style)
        self.last = nn.Conv2d(channels[-1], 3, 3, padding=1)
        early = {side: channels[int(math.log2(side // COARSEST))] for side in spec.early}
        self.early = nn.ModuleDict({str(side): _EarlyPicture(width, spec.style) for side, width in early.items()})

    def encode(self, slots: Tensor, colours: Tensor, text: Tensor, noise: Tensor | None = None) -> Tensor:
        """Encode conditions; see `AugmentedConditioner.forward`."""
        encoded: Tensor = self.conditioner(slots, colours, text, noise)
        return encoded

    def prepared(self, latent: Tensor) -> Tensor:
        """The latent on the sphere of radius sqrt(latent) (Karras et al. 2018, pixel norm)."""
        return latent * torch.rsqrt(latent.square().mean(1, keepdim=True) + 1e-8)

    def forward(self, latent: Tensor, condition: Tensor, stage: Stage | None = None) -> Tensor:
        """Make pictures.

        Args:
            latent: (N, latent) standard normal.
            condition: (N, width) from `encode`.
            stage: while growing; None makes pictures of the last side.

        Returns:
            (N, 3, R, R) in [-1, 1].
        """
        return self.drawn(self.prepared(latent), condition, stage)

    def drawn(self, latent: Tensor, condition: Tensor, stage: Stage | None = None) -> Tensor:
        """As `forward`, of a latent that is `prepared`: what a pack holds, so that using it may shorten latents."""
        style = self.mapping(torch.cat([latent.to(condition.dtype), condition], dim=1))
        x = before = self.seed(style).view(len(latent), -1, COARSEST, COARSEST)
        x = x.to(memory_format=torch.channels_last)
        for block in self.blocks:
            if stage is not None and x.shape[-1] == stage.side:
                break
            before, x = x, block(x, style)
        pictures = self._picture(x, style)
        if stage is not None and stage.fade is not None:
            coarse = F.interpolate(self._picture(before, style), scale_factor=2.0, mode="nearest")
            pictures = torch.lerp(coarse, pictures, stage.fade)
        return torch.tanh(pictures)

    def _picture(self, x: Tensor, style: Tensor) -> Tensor:
        side = x.shape[-1]
        if side == self.spec.resolution:
            pictures: Tensor = self.last(self.norm(x, style)).float()
            return pictures
        early: Tensor = self.early[str(side)](x, style)
        return early


class DownBlock(nn.Module):
    """(N, in, H, W) -> (N, out, H/2, W/2)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_in, 3, padding=1)
        self.conv2 = nn.Conv2d(channels_in, channels_out, 3, padding=1, stride=2)
        self.skip = nn.Conv2d(channels_in, channels_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        shrunk = self.conv2(F.leaky_relu(self.conv1(F.leaky_relu(x, 0.2)), 0.2))
        total: Tensor = (shrunk + self.skip(F.avg_pool2d(x, 2))) * math.sqrt(0.5)
        return total


class Discriminator(nn.Module):
    """D(x, c): picture and condition -> logit that the picture is real and fits.

    Split in `features` and `score`, so that one look at a picture can be scored under several conditions.
    """

    def __init__(self, spec: GanSpec) -> None:
        super().__init__()
        self.spec = spec
        channels, width = spec.discriminator_channels, spec.conditioner.width
        # Pixels go to channels first: a quarter of the positions, and 2×2 blocks overlap again in the 3×3 kernels.
        self.stem = nn.Conv2d(12, channels[0], 3, padding=1)
        self.blocks = nn.ModuleList(DownBlock(a, b) for a, b in pairwise(channels))
        early = {side: channels[int(math.log2(spec.resolution // side))] for side in spec.early}
        self.early = nn.ModuleDict({str(side): nn.Conv2d(12, width, 3, padding=1) for side, width in early.items()})
        self.conv = nn.Conv2d(channels[-1] + 1, channels[-1], 3, padding=1)
        self.flat = nn.Linear(channels[-1] * COARSEST**2, width)
        self.real = nn.Linear(width, 1)
        self.conditioner = Conditioner(spec.conditioner)
        self.category = nn.Linear(width, spec.categories) if spec.categories else None

    def features(self, pictures: Tensor, fade: Tensor | None = None) -> Tensor:
        """See pictures.

        Args:
            pictures: (N, 3, R, R) in [-1, 1], or of an earlier side.
            fade: as in `Stage`.

        Returns:
            (N, width).
        """
        x = self._stem(pictures)
        grown = int(math.log2(self.spec.resolution // pictures.shape[-1]))
        for number, block in enumerate(self.blocks[grown:]):
            x = block(x)
            if number == 0 and fade is not None:
                x = torch.lerp(self._stem(F.avg_pool2d(pictures, 2)).to(x.dtype), x, fade.to(x.dtype))
        x = F.leaky_relu(self.conv(with_deviation(F.leaky_relu(x, 0.2))), 0.2)
        flat: Tensor = F.leaky_relu(self.flat(x.flatten(1)), 0.2)
        return flat

    def _stem(self, pictures: Tensor) -> Tensor:
        side = pictures.shape[-1]
        stem = self.stem if side == self.spec.resolution else self.early[str(side)]
        x: Tensor = stem(F.pixel_unshuffle(pictures, 2).to(memory_format=torch.channels_last))
        return x

    def encode(self, slots: Tensor, colours: Tensor, text: Tensor) -> Tensor:
        """Encode conditions; see `Conditioner.forward`."""
        encoded: Tensor = self.conditioner(slots, colours, text)
        return encoded

    def score(self, features: Tensor, condition: Tensor) -> Tensor:
        """Logits (N,) of features under conditions (N, width) from `encode`."""
        projected = (features.float() * condition.float()).sum(1) / math.sqrt(condition.shape[1])
        logits: Tensor = self.real(features).float().squeeze(1) + projected
        return logits

    def classify(self, features: Tensor) -> Tensor:
        """Logits (N, categories) of the auxiliary head.

        Raises:
            ValueError: the discriminator was built without one.
        """
        if self.category is None:
            raise ValueError("a discriminator without an auxiliary head cannot classify")
        logits: Tensor = self.category(features).float()
        return logits

    def forward(self, pictures: Tensor, slots: Tensor, colours: Tensor, text: Tensor) -> Tensor:
        """Logits (N,) of pictures under conditions."""
        return self.score(self.features(pictures), self.encode(slots, colours, text))


def with_deviation(x: Tensor) -> Tensor:
    """Append a channel: mean deviation over groups of neighbours in the batch, so that D sees a lack of variety."""
    n, _, height, width = x.shape
    group = math.gcd(n, DEVIATION_GROUP)
    groups = x.float().reshape(n // group, group, -1)
    deviation = (groups.var(dim=1, correction=0) + 1e-8).sqrt().mean(1)
    channel = deviation.repeat_interleave(group).view(n, 1, 1, 1).expand(n, 1, height, width)
    return torch.cat([x, channel.to(x.dtype)], dim=1)
