"""The VAE family: encoder and decoder, one optimiser."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

import torch
from torch import Tensor, nn

from packshot.training.data import Batch, Catalogue, draw_batch
from packshot.training.distributed import Team
from packshot.training.networks.vae import Decoder, Encoder, VaeSpec
from packshot.training.objectives import vae as objective
from packshot.training.objectives.gan import conditioning_divergence
from packshot.training.objectives.upscale import charbonnier, gradient_error
from packshot.training.recipe import Recipe
from packshot.training.sampling import Sheet, catalogue_sheet, gan_sample
from packshot.training.schedule import average_decay
from packshot.training.sections import DataRecipe, VaeNetworkRecipe, VaeObjectiveRecipe
from packshot.training.trainer import (
    Average,
    Descent,
    Parts,
    compiled,
    conditioner_spec,
    precision,
    start_from,
    synchronised,
)


def vae_spec(recipe: Recipe) -> VaeSpec:
    """The sizes of a recipe's networks."""
    assert isinstance(recipe.network, VaeNetworkRecipe)
    sizes = asdict(recipe.network)
    conditioner = conditioner_spec(sizes.pop("vocabulary"), sizes.pop("condition"))
    return VaeSpec(resolution=recipe.data.resolution, conditioner=conditioner, **sizes)


class VaeTrainer:
    """See `Trainer`."""

    def __init__(self, recipe: Recipe, catalogue: Catalogue, generator: torch.Generator, team: Team) -> None:
        assert isinstance(recipe.objective, VaeObjectiveRecipe) and isinstance(recipe.data, DataRecipe)
        self.recipe, self.objective, self.drawing, self.team = recipe, recipe.objective, recipe.data, team
        self.catalogue, self.generator, self.spec = catalogue, generator, vae_spec(recipe)
        self.decoder = Decoder(self.spec)
        start_from(self.decoder, recipe.loop, team)
        self.both = nn.ModuleDict({"decoder": self.decoder, "encoder": Encoder(self.spec)})
        self.both.to(device=team.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        synchronised([self.both], team)
        self.average = Average(self.decoder)
        self.descent = Descent(self.both, "", recipe.optimiser, recipe.optimiser.learning_rate, team)
        self._losses = compiled(self._plain_losses, recipe)

    def step(self, number: int, *, rate: float, progress: float) -> dict[str, float]:
        """See `Trainer.step`."""
        count, device = self.recipe.loop.batch // self.team.size, self.generator.device
        batch = draw_batch(self.catalogue, count, self.drawing, self.generator)
        noise = torch.randn(count, self.spec.latent, generator=self.generator, device=device)
        sentence = torch.randn(count, self.spec.augmented_text, generator=self.generator, device=device)
        reconstruction, divergence, sentences = self._losses(batch, noise, sentence)
        beta = objective.beta_weight(progress, self.objective.beta, self.objective.beta_ramp)
        losses = {
            "reconstruction": reconstruction,
            "divergence": beta * divergence,
            "sentences": self.objective.divergence * sentences,
        }
        self.descent.descend(losses, rate, number)
        self.average.follow(self.decoder, average_decay(number + 1, self.recipe.optimiser))
        return {"reconstruction": reconstruction.item(), "nats": divergence.item(), "sentences": sentences.item()}

    def sheet(self) -> Sheet:
        """See `Trainer.sheet`."""
        with precision(self.recipe, self.team):
            return catalogue_sheet(self.catalogue, partial(gan_sample, self.average.network), self.team.device)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """See `Trainer.state`; the average is of the decoder alone."""
        return {
            "model": self.both.state_dict(),
            "ema": self.average.network.state_dict(),
            "optimiser": self.descent.state(),
        }

    def load_state(self, parts: Parts) -> None:
        """See `Trainer.load_state`."""
        self.both.load_state_dict(parts["model"])
        self.average.network.load_state_dict(parts["ema"])
        self.descent.load_state(parts["optimiser"])

    def _plain_losses(self, batch: Batch, noise: Tensor, sentence: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction per pixel, nats of the latents, nats of the sentences."""
        decoder, encoder = self.decoder, self.both["encoder"]
        with precision(self.recipe, self.team):
            condition = decoder.encode(batch.slots, batch.colours, batch.text, sentence)
            mean, log_variance = encoder(batch.pictures, condition)
            pictures = decoder(objective.reparameterised(mean, log_variance, noise), condition)
            gaussian = decoder.conditioner.gaussian(batch.text)
        edges = self.objective.gradient * gradient_error(pictures, batch.pictures)
        divergence = objective.latent_divergence(mean, log_variance, self.objective.free_bits)
        return charbonnier(pictures, batch.pictures) + edges, divergence, conditioning_divergence(*gaussian)
