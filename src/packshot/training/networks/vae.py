"""A conditional variational autoencoder: q(z | x, c) and p(x | z, c) (Kingma & Welling 2014; Sohn et al. 2015).

The decoder is the GAN's generator with a latent that keeps its length, the encoder a mirror image of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from packshot.training.networks.conditioner import ConditionerSpec, zeroed
from packshot.training.networks.gan import COARSEST, DownBlock, GanSpec, Generator


@dataclass(frozen=True, slots=True)
class VaeSpec:
    """Sizes of an encoder and a decoder; complete, without defaults.

    Attributes:
        resolution: side of the square picture, pixels: `4 * 2 ** (len(decoder_channels) - 1)`.
        latent: length of z.
        style: length of the vector that modulates the decoder's blocks.
        augmented_text: length of the Gaussian condition that stands for the sentence.
        decoder_channels: of the maps at sides 4, 8, … `resolution`.
        encoder_channels: of the maps at sides `resolution / 2`, … 8, 4.
        conditioner: sizes of the condition encoder; its `text_features` is the length of the sentence embedding.
    """

    resolution: int
    latent: int
    style: int
    augmented_text: int
    decoder_channels: tuple[int, ...]
    encoder_channels: tuple[int, ...]
    conditioner: ConditionerSpec


class Decoder(Generator):
    """p(x | z, c): latent and condition -> picture; see `Generator`."""

    def __init__(self, spec: VaeSpec) -> None:
        super().__init__(
            GanSpec(
                resolution=spec.resolution,
                latent=spec.latent,
                style=spec.style,
                augmented_text=spec.augmented_text,
                generator_channels=spec.decoder_channels,
                discriminator_channels=(),
                early=(),
                categories=0,
                conditioner=spec.conditioner,
            )
        )

    def prepared(self, latent: Tensor) -> Tensor:
        """The latent as it is: its length says how unusual a picture is."""
        return latent


class Encoder(nn.Module):
    """q(z | x, c): picture and condition -> mean and log-variance of the latent."""

    def __init__(self, spec: VaeSpec) -> None:
        super().__init__()
        channels, width = spec.encoder_channels, spec.conditioner.width
        self.stem = nn.Conv2d(12, channels[0], 3, padding=1)
        self.blocks = nn.ModuleList(DownBlock(a, b) for a, b in pairwise(channels))
        self.flat = nn.Linear(channels[-1] * COARSEST**2, width)
        self.gaussian = zeroed(nn.Linear(2 * width, 2 * spec.latent))

    def forward(self, pictures: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, R, R) in [-1, 1] and (N, width) -> mean and log-variance, (N, latent) each."""
        x = self.stem(F.pixel_unshuffle(pictures, 2).to(memory_format=torch.channels_last))
        for block in self.blocks:
            x = block(x)
        flat = F.leaky_relu(self.flat(F.leaky_relu(x, 0.2).flatten(1)), 0.2)
        mean, log_variance = self.gaussian(torch.cat([flat, condition.to(flat.dtype)], dim=1)).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 10)
