"""The GAN family: generator against discriminator, two optimisers."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from packshot.training.augment import AugmentSpec, draw_transforms, move
from packshot.training.data import Batch, Catalogue, draw_batch
from packshot.training.distributed import Team
from packshot.training.networks.gan import Discriminator, GanSpec, Generator
from packshot.training.objectives import gan as objective
from packshot.training.recipe import Recipe
from packshot.training.sampling import Sheet, catalogue_sheet, gan_sample
from packshot.training.schedule import average_decay
from packshot.training.sections import DataRecipe, GanNetworkRecipe, GanObjectiveRecipe
from packshot.training.trainer import (
    Average,
    Descent,
    Parts,
    compiled,
    conditioner_spec,
    precision,
    prefixed,
    start_from,
    synchronised,
    without_prefix,
)

G, D = "generator.", "discriminator."


def gan_spec(recipe: Recipe) -> GanSpec:
    """The sizes of a recipe's networks."""
    assert isinstance(recipe.network, GanNetworkRecipe) and isinstance(recipe.objective, GanObjectiveRecipe)
    sizes = asdict(recipe.network)
    vocabulary = sizes.pop("vocabulary")
    conditioner = conditioner_spec(vocabulary, sizes.pop("condition"))
    categories = vocabulary[0] if recipe.objective.category else 0
    return GanSpec(resolution=recipe.data.resolution, categories=categories, conditioner=conditioner, **sizes)


class GanTrainer:
    """See `Trainer`. One forward pass of G serves both its critic's step and its own."""

    def __init__(self, recipe: Recipe, catalogue: Catalogue, generator: torch.Generator, team: Team) -> None:
        assert isinstance(recipe.objective, GanObjectiveRecipe) and isinstance(recipe.data, DataRecipe)
        self.recipe, self.objective, self.drawing, self.team = recipe, recipe.objective, recipe.data, team
        self.catalogue, self.draws = catalogue, generator
        self.spec = gan_spec(recipe)
        self.generator, self.discriminator = Generator(self.spec), Discriminator(self.spec)
        start_from(self.generator, recipe.loop.init_from)
        for network in (self.generator, self.discriminator):
            network.to(device=team.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        synchronised([self.generator, self.discriminator], team)
        self.average = Average(self.generator)
        peak, wish = recipe.optimiser.learning_rate, recipe.objective
        self.descent_g = Descent(self.generator, G, recipe.optimiser, peak, team)
        self.descent_d = Descent(self.discriminator, D, recipe.optimiser, peak * wish.discriminator_rate, team)
        self.augment = AugmentSpec(wish.augment_share, wish.augment_translate, wish.augment_zoom, wish.augment_flip)
        self._generate = compiled(self._make, recipe)
        self._criticise = compiled(self._discriminator_losses, recipe)
        self._persuade = compiled(self._generator_losses, recipe)

    def step(self, number: int, *, rate: float, progress: float) -> dict[str, float]:
        """See `Trainer.step`."""
        batch, latent, noise, transforms = self._draw()
        fake, divergence = self._generate(latent, batch.slots, batch.colours, batch.text, noise)
        if self.objective.augment_share:
            real, moved = move(batch.pictures, transforms), move(fake, transforms)
        else:
            real, moved = batch.pictures, fake
        seen = moved.detach()
        self.discriminator.requires_grad_(True)
        critic = self._criticise(real, seen, batch.slots, batch.colours, batch.text, batch.category)
        if self.objective.penalty and number % self.objective.penalty_every == 0:
            critic["penalty"] = self._penalty(real, seen, batch)
        self.descent_d.descend(critic, rate, number)
        self.discriminator.requires_grad_(False)
        actor = self._persuade(moved, real, batch.slots, batch.colours, batch.text, batch.category)
        actor["divergence"] = self.objective.divergence * divergence
        self.descent_g.descend(actor, rate, number)
        self.average.follow(self.generator, average_decay(number + 1, self.recipe.optimiser))
        shown = {f"d_{name}": value.item() for name, value in critic.items()}
        return shown | {f"g_{name}": value.item() for name, value in actor.items()}

    def sheet(self) -> Sheet:
        """See `Trainer.sheet`."""
        with precision(self.recipe, self.team):
            return catalogue_sheet(self.catalogue, partial(gan_sample, self.average.network), self.team.device)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """See `Trainer.state`; the average is of the generator alone."""
        return {
            "model": prefixed(G, self.generator.state_dict()) | prefixed(D, self.discriminator.state_dict()),
            "ema": self.average.network.state_dict(),
            "optimiser": self.descent_g.state() | self.descent_d.state(),
        }

    def load_state(self, parts: Parts) -> None:
        """See `Trainer.load_state`."""
        self.generator.load_state_dict(without_prefix(G, parts["model"]))
        self.discriminator.load_state_dict(without_prefix(D, parts["model"]))
        self.average.network.load_state_dict(parts["ema"])
        self.descent_g.load_state(parts["optimiser"])
        self.descent_d.load_state(parts["optimiser"])

    def _draw(self) -> tuple[Batch, Tensor, Tensor, Tensor]:
        """A batch, latents, noise of conditioning augmentation, transforms: all randomness of a step, in this order."""
        count, device = self.recipe.loop.batch // self.team.size, self.team.device
        batch = draw_batch(self.catalogue, count, self.drawing, self.draws)
        latent = torch.randn(count, self.spec.latent, generator=self.draws)
        noise = torch.randn(count, self.spec.augmented_text, generator=self.draws)
        transforms = draw_transforms(self.augment, count, self.spec.resolution, self.draws)
        return batch.to(device), latent.to(device), noise.to(device), transforms.to(device)

    def _make(
        self, latent: Tensor, slots: Tensor, colours: Tensor, text: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Pictures, and the divergence of the sentences' Gaussians from the normal one."""
        with precision(self.recipe, self.team):
            pictures = self.generator(latent, self.generator.encode(slots, colours, text, noise))
            mean, log_variance = self.generator.conditioner.gaussian(text)
        return pictures, objective.conditioning_divergence(mean, log_variance)

    def _discriminator_losses(
        self, real: Tensor, fake: Tensor, slots: Tensor, colours: Tensor, text: Tensor, category: Tensor
    ) -> dict[str, Tensor]:
        critic, relativistic = self.discriminator, self.objective.loss == "relativistic"
        with precision(self.recipe, self.team):
            condition = critic.encode(slots, colours, text)
            on_real, on_fake = critic.features(torch.cat([real, fake])).chunk(2)
            real_logits, fake_logits = critic.score(on_real, condition), critic.score(on_fake, condition)
            adversarial = objective.relativistic_discriminator if relativistic else objective.classic_discriminator
            losses = {"adversarial": adversarial(real_logits, fake_logits)}
            if self.objective.mismatched:
                wrong = critic.score(on_real, condition.roll(1, 0))
                applies = category != category.roll(1, 0)  # a neighbour of the same category might fit as well
                losses["mismatched"] = self.objective.mismatched * (
                    objective.mismatched_relativistic(real_logits, wrong, applies)
                    if relativistic
                    else objective.mismatched_classic(wrong, applies)
                )
            if self.objective.category:
                losses["category"] = self.objective.category * _category_loss(critic.classify(on_real), category)
        return losses

    def _generator_losses(
        self, fake: Tensor, real: Tensor, slots: Tensor, colours: Tensor, text: Tensor, category: Tensor
    ) -> dict[str, Tensor]:
        critic = self.discriminator
        with precision(self.recipe, self.team):
            condition = critic.encode(slots, colours, text)
            on_fake = critic.features(fake)
            fake_logits = critic.score(on_fake, condition)
            if self.objective.loss == "relativistic":
                real_logits = critic.score(critic.features(real), condition)
                losses = {"adversarial": objective.relativistic_generator(real_logits, fake_logits)}
            else:
                losses = {"adversarial": objective.classic_generator(fake_logits)}
            if self.objective.category:
                # Only what G was told may be held against it.
                losses["category"] = self.objective.category * _category_loss(critic.classify(on_fake), slots[:, 0])
        return losses

    def _penalty(self, real: Tensor, fake: Tensor, batch: Batch) -> Tensor:
        """R1 + R2 in float32: second derivatives through bfloat16 are noise, and torch.compile takes none."""
        critic = self.discriminator
        condition = critic.encode(batch.slots, batch.colours, batch.text)

        def score(pictures: Tensor) -> Tensor:
            return critic.score(critic.features(pictures), condition)

        both = objective.zero_centred_penalty(score, real) + objective.zero_centred_penalty(score, fake)
        return both * (self.objective.penalty / 2 * self.objective.penalty_every)


def _category_loss(logits: Tensor, category: Tensor) -> Tensor:
    """Cross-entropy over rows whose category is known (not 0); 0 where none is (Odena et al. 2017)."""
    known = (category != 0).to(logits.dtype)
    values = F.cross_entropy(logits, category, reduction="none")
    return (values * known).sum() / known.sum().clamp(min=1)
