"""The GAN family: generator against discriminator, two optimisers."""

from __future__ import annotations

import math
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from packshot.training.augment import AugmentSpec, draw_transforms, move
from packshot.training.checkpoint import load_model_part
from packshot.training.data import Batch, Catalogue, draw_batch
from packshot.training.distributed import Team
from packshot.training.networks.gan import Discriminator, GanSpec, Generator, Stage
from packshot.training.networks.projected import ProjectedDiscriminator, ProjectedSpec
from packshot.training.objectives import gan as objective
from packshot.training.recipe import Recipe
from packshot.training.sampling import Sheet, catalogue_sheet, gan_sample
from packshot.training.schedule import average_decay
from packshot.training.sections import DataRecipe, GanNetworkRecipe, GanObjectiveRecipe, GrowthRecipe
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
from packshot.training.transfer import is_pack
from packshot.training.watch import Guard

G, D, GUARD = "generator.", "discriminator.", "guard."
AGAIN_EVERY = 4
"""One condition in so many is drawn with a second latent for mode seeking."""


def gan_spec(recipe: Recipe) -> GanSpec:
    """The sizes of a recipe's networks."""
    assert isinstance(recipe.network, GanNetworkRecipe) and isinstance(recipe.objective, GanObjectiveRecipe)
    sizes = asdict(recipe.network)
    vocabulary = sizes.pop("vocabulary")
    for of_projection in ("discriminator", "projection_side", "projection_channels"):
        sizes.pop(of_projection)
    conditioner = conditioner_spec(vocabulary, sizes.pop("condition"))
    categories = vocabulary[0] if recipe.objective.category else 0
    early = recipe.objective.growth.sides[:-1]
    return GanSpec(
        resolution=recipe.data.resolution, early=early, categories=categories, conditioner=conditioner, **sizes
    )


def build_discriminator(recipe: Recipe) -> Discriminator | ProjectedDiscriminator:
    """The one that a recipe names."""
    assert isinstance(recipe.network, GanNetworkRecipe)
    spec, network = gan_spec(recipe), recipe.network
    if network.discriminator == "own":
        return Discriminator(spec)
    projected = ProjectedSpec(network.projection_side, network.projection_channels, spec.categories, spec.conditioner)
    return ProjectedDiscriminator(projected)


class GanTrainer:
    """See `Trainer`. One forward pass of G serves both its critic's step and its own."""

    def __init__(self, recipe: Recipe, catalogue: Catalogue, generator: torch.Generator, team: Team) -> None:
        assert isinstance(recipe.objective, GanObjectiveRecipe) and isinstance(recipe.data, DataRecipe)
        self.recipe, self.objective, self.drawing, self.team = recipe, recipe.objective, recipe.data, team
        self.catalogue, self.draws = catalogue, generator
        self.spec = gan_spec(recipe)
        self.generator, self.discriminator = Generator(self.spec), build_discriminator(recipe)
        start_from(self.generator, recipe.loop, team)
        if recipe.loop.init_from and not is_pack(recipe.loop.init_from):
            load_model_part(self.discriminator, Path(recipe.loop.init_from), D)
        for network in (self.generator, self.discriminator):
            network.to(device=team.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        synchronised([self.generator, self.discriminator], team)
        self.average = Average(self.generator)
        peak, wish = recipe.optimiser.learning_rate, recipe.objective
        self.descent_g = Descent(self.generator, G, recipe.optimiser, peak, team)
        self.descent_d = Descent(self.discriminator, D, recipe.optimiser, peak * wish.discriminator_rate, team)
        self.augment = AugmentSpec(wish.augment_share, wish.augment_translate, wish.augment_zoom, wish.augment_flip)
        self.guard = Guard(wish.watch, catalogue, team.device, team.leads)
        self.stage = Stage(self.spec.resolution, None)
        self._generate = compiled(self._make, recipe)
        self._criticise = compiled(self._discriminator_losses, recipe)
        self._persuade = compiled(self._generator_losses, recipe)

    def step(self, number: int, *, rate: float, progress: float) -> dict[str, float]:
        """See `Trainer.step`."""
        stage = self.stage = growth_stage(self.objective.growth, progress, self.team.device)
        if self.guard.enter(stage.side, number):
            self.average.follow(self.generator, 0.0)  # new layers were random until now: nothing to remember
        sample = partial(gan_sample, self.average.network, stage=stage)
        watched = self.guard.look(number, sample, self._parts, self._load_parts)
        batch, latent, other, noise, transforms = self._draw(stage.side)
        fake, regular = self._generate(latent, other, batch.slots, batch.colours, batch.text, noise, stage)
        real, moved = shrunk(batch.pictures, stage), fake
        if self.objective.augment_share:
            real, moved = move(real, transforms), move(fake, transforms)
        seen = moved.detach()
        self.discriminator.requires_grad_(True)
        critic = self._criticise(real, seen, batch.slots, batch.colours, batch.text, batch.category, stage)
        if self.objective.penalty and number % self.objective.penalty_every == 0:
            critic["penalty"] = self._penalty(real, seen, batch, stage)
        self.descent_d.descend(critic, rate, number)
        self.discriminator.requires_grad_(False)
        actor = regular | self._persuade(moved, real, batch.slots, batch.colours, batch.text, batch.category, stage)
        self.descent_g.descend(actor, rate, number)
        self.average.follow(self.generator, average_decay(number + 1 - self.guard.began, self.recipe.optimiser))
        shown = watched | {f"d_{name}": value.item() for name, value in critic.items()}
        return shown | {f"g_{name}": value.item() for name, value in actor.items()}

    def sheet(self) -> Sheet:
        """See `Trainer.sheet`."""
        with precision(self.recipe, self.team):
            sample = partial(gan_sample, self.average.network, stage=self.stage)
            return catalogue_sheet(self.catalogue, sample, self.team.device)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """See `Trainer.state`; the average is of the generator alone, the guard's best state is a part of `model`."""
        parts = self._parts()
        return {**parts, "model": parts["model"] | prefixed(GUARD, self.guard.state())}

    def load_state(self, parts: Parts) -> None:
        """See `Trainer.load_state`."""
        self._load_parts(parts)
        self.guard.load_state(without_prefix(GUARD, parts["model"]))

    def _parts(self) -> dict[str, dict[str, Tensor]]:
        return {
            "model": prefixed(G, self.generator.state_dict()) | prefixed(D, self.discriminator.state_dict()),
            "ema": self.average.network.state_dict(),
            "optimiser": self.descent_g.state() | self.descent_d.state(),
        }

    def _load_parts(self, parts: Parts) -> None:
        self.generator.load_state_dict(without_prefix(G, parts["model"]))
        self.discriminator.load_state_dict(without_prefix(D, parts["model"]))
        self.average.network.load_state_dict(parts["ema"])
        self.descent_g.load_state(parts["optimiser"])
        self.descent_d.load_state(parts["optimiser"])

    def _draw(self, side: int) -> tuple[Batch, Tensor, Tensor, Tensor, Tensor]:
        """A batch, latents, noise of conditioning augmentation, transforms: all randomness of a step, in this order.

        The batch is in order of categories, so that minibatch deviation compares pictures of one category, where a lack
        of variety shows, and not shoes with watches, which always differ. The second latents are for mode seeking.
        """
        count, device = self.recipe.loop.batch // self.team.size, self.draws.device
        batch = draw_batch(self.catalogue, count, self.drawing, self.draws)
        batch = batch.rows(torch.argsort(batch.category, stable=True))
        latent = torch.randn(count, self.spec.latent, generator=self.draws, device=device)
        other = torch.randn(_again(count), self.spec.latent, generator=self.draws, device=device)
        noise = torch.randn(count, self.spec.augmented_text, generator=self.draws, device=device)
        transforms = draw_transforms(self.augment, count, side, self.draws)
        return batch, latent, other, noise, transforms

    def _make(
        self,
        latent: Tensor,
        other: Tensor,
        slots: Tensor,
        colours: Tensor,
        text: Tensor,
        noise: Tensor,
        stage: Stage,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Pictures, and the losses that need no critic: the sentences' divergence, and mode seeking.

        For that, some conditions, spread over the categories, are drawn a second time.
        """
        wish, count, again = self.objective, len(latent), slice(None, None, AGAIN_EVERY)
        seeking = wish.mode_seeking + self.guard.mode_seeking
        with precision(self.recipe, self.team):
            condition = self.generator.encode(slots, colours, text, noise)
            if seeking:
                condition, latent = torch.cat([condition, condition[again]]), torch.cat([latent, other])
            pictures = self.generator(latent, condition, stage)
            mean, log_variance = self.generator.conditioner.gaussian(text)
        losses = {"divergence": wish.divergence * objective.conditioning_divergence(mean, log_variance)}
        if seeking:
            first, second = pictures[:count][again], pictures[count:]
            losses["modes"] = seeking * objective.mode_seeking(first, second, latent[:count][again], other)
        return pictures[:count], losses

    def _discriminator_losses(
        self, real: Tensor, fake: Tensor, slots: Tensor, colours: Tensor, text: Tensor, category: Tensor, stage: Stage
    ) -> dict[str, Tensor]:
        critic, relativistic = self.discriminator, self.objective.loss == "relativistic"
        with precision(self.recipe, self.team):
            condition = critic.encode(slots, colours, text)
            on_real, on_fake = critic.features(torch.cat([real, fake]), stage.fade).chunk(2)
            real_logits, fake_logits = critic.score(on_real, condition), critic.score(on_fake, condition)
            adversarial = objective.relativistic_discriminator if relativistic else objective.classic_discriminator
            losses = {"adversarial": adversarial(real_logits, fake_logits)}
            if self.objective.mismatched:
                half = len(category) // 2  # far away: neighbours are of one category, and might fit as well
                wrong = critic.score(on_real, condition.roll(half, 0))
                applies = category != category.roll(half, 0)
                losses["mismatched"] = self.objective.mismatched * (
                    objective.mismatched_relativistic(real_logits, wrong, applies)
                    if relativistic
                    else objective.mismatched_classic(wrong, applies)
                )
            if self.objective.category:
                losses["category"] = self.objective.category * _category_loss(critic.classify(on_real), category)
        return losses

    def _generator_losses(
        self, fake: Tensor, real: Tensor, slots: Tensor, colours: Tensor, text: Tensor, category: Tensor, stage: Stage
    ) -> dict[str, Tensor]:
        critic = self.discriminator
        with precision(self.recipe, self.team):
            condition = critic.encode(slots, colours, text)
            on_fake = critic.features(fake, stage.fade)
            fake_logits = critic.score(on_fake, condition)
            if self.objective.loss == "relativistic":
                real_logits = critic.score(critic.features(real, stage.fade), condition)
                losses = {"adversarial": objective.relativistic_generator(real_logits, fake_logits)}
            else:
                losses = {"adversarial": objective.classic_generator(fake_logits)}
            if self.objective.category:
                # Only what G was told may be held against it.
                losses["category"] = self.objective.category * _category_loss(critic.classify(on_fake), slots[:, 0])
        return losses

    def _penalty(self, real: Tensor, fake: Tensor, batch: Batch, stage: Stage) -> Tensor:
        """R1 + R2 in float32: second derivatives through bfloat16 are noise, and torch.compile takes none."""
        critic = self.discriminator
        condition = critic.encode(batch.slots, batch.colours, batch.text)

        def score(pictures: Tensor) -> Tensor:
            return critic.score(critic.features(pictures, stage.fade), condition)

        both = objective.zero_centred_penalty(score, real) + objective.zero_centred_penalty(score, fake)
        return both * (self.objective.penalty / 2 * self.objective.penalty_every * self.guard.penalty_factor)


def growth_stage(growth: GrowthRecipe, progress: float, device: torch.device) -> Stage:
    """The stage at a share of the run."""
    begins = 0.0
    for number, (side, share) in enumerate(zip(growth.sides, growth.shares, strict=True)):
        last = number == len(growth.sides) - 1
        if progress < begins + share or last:
            over = (progress - begins) / share
            fading = number > 0 and over < growth.fade
            return Stage(side, torch.tensor(over / growth.fade, device=device) if fading else None)
        begins += share
    raise AssertionError("a recipe has at least one side")


def shrunk(pictures: Tensor, stage: Stage) -> Tensor:
    """Real pictures at a stage's side, as blurred as the generator's are while layers fade in."""
    pictures = F.adaptive_avg_pool2d(pictures, stage.side)
    if stage.fade is None:
        return pictures
    coarse = F.interpolate(F.avg_pool2d(pictures, 2), scale_factor=2.0, mode="nearest")
    return torch.lerp(coarse, pictures, stage.fade)


def _again(count: int) -> int:
    return math.ceil(count / AGAIN_EVERY)


def _category_loss(logits: Tensor, category: Tensor) -> Tensor:
    """Cross-entropy over rows whose category is known (not 0); 0 where none is (Odena et al. 2017)."""
    known = (category != 0).to(logits.dtype)
    values = F.cross_entropy(logits, category, reduction="none")
    return (values * known).sum() / known.sum().clamp(min=1)
