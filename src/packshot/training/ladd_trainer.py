"""Finishing a flow adversarially, so that one to four evaluations make a picture.

Student, teacher and the discriminator's features are the same trained flow: the student goes on learning, the teacher
stands still, and small heads on its tokens tell real from made (LADD; Sauer et al. 2024). A second critic sees patches
of pixels, since a token is a coarse place to look for surfaces. Coarse pictures are told to all as such, so that the
student need not draw them when nobody asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from packshot.training.data import Batch, Catalogue, draw_batch
from packshot.training.distributed import Team
from packshot.training.flow_trainer import flow_spec
from packshot.training.networks.critic import PatchCritic, TokenCritic, TokenCriticSpec
from packshot.training.networks.flow import FlowTransformer
from packshot.training.objectives import gan as adversarial
from packshot.training.objectives import ladd as objective
from packshot.training.objectives.flow import logit_normal_times, noised
from packshot.training.recipe import Recipe
from packshot.training.sampling import Sheet, catalogue_sheet, renoised_sample
from packshot.training.schedule import average_decay
from packshot.training.sections import DataRecipe, LaddObjectiveRecipe
from packshot.training.trainer import (
    Average,
    Descent,
    Parts,
    compiled,
    precision,
    prefixed,
    start_from,
    synchronised,
    without_prefix,
)
from packshot.training.watch import Guard

G, D, P, TEACHER, GUARD = "generator.", "discriminator.", "patches.", "teacher.", "guard."
SHEET_STEPS = 2
Condition = tuple[Tensor, Tensor, Tensor, Tensor]
"""Slots, colours, text and whether coarse, as `FlowTransformer.encode` takes them."""


@dataclass(frozen=True, slots=True)
class _Draw:
    """All randomness of a step: a batch, the student's times and noise, the critic's times and noise."""

    batch: Batch
    time: Tensor
    noise: Tensor
    critic_time: Tensor
    critic_noise: Tensor


class LaddTrainer:
    """See `Trainer`."""

    def __init__(self, recipe: Recipe, catalogue: Catalogue, generator: torch.Generator, team: Team) -> None:
        assert isinstance(recipe.objective, LaddObjectiveRecipe) and isinstance(recipe.data, DataRecipe)
        self.recipe, self.objective, self.drawing, self.team = recipe, recipe.objective, recipe.data, team
        self.catalogue, self.draws, wish = catalogue, generator, recipe.objective
        self.student = FlowTransformer(flow_spec(recipe))
        start_from(self.student, recipe.loop, team)
        spec = self.student.spec
        self.critic = TokenCritic(TokenCriticSpec(wish.critic_blocks, spec.width, self.student.grid, wish.critic_width))
        self.patches = PatchCritic(wish.patch_channels)
        for network in (self.student, self.critic, self.patches):
            network.to(team.device)
        synchronised([self.student, self.critic, self.patches], team)
        self.teacher = deepcopy(self.student).eval().requires_grad_(False)
        self.average = Average(self.student)
        peak = recipe.optimiser.learning_rate
        self.descent_g = Descent(self.student, G, recipe.optimiser, peak, team)
        self.descent_d = Descent(self.critic, D, recipe.optimiser, peak * wish.discriminator_rate, team)
        self.descent_p = Descent(self.patches, P, recipe.optimiser, peak * wish.discriminator_rate, team)
        self.guard = Guard(wish.watch, catalogue, team.device, team.leads)
        self._generate = compiled(self._make, recipe)
        self._look = compiled(self._see, recipe)
        self._look_only = compiled(torch.no_grad()(self._see), recipe)
        self._patch_gap = compiled(self._gap, recipe) if team.device.type == "cuda" else self._gap

    def step(self, number: int, *, rate: float, progress: float) -> dict[str, float]:
        """See `Trainer.step`."""
        watched = self.guard.look(
            number, partial(renoised_sample, self.average.network, steps=1), self._parts, self._load_parts
        )
        draw = self._draw()
        batch, tau = draw.batch, draw.critic_time
        told = (batch.slots, batch.colours, batch.text, batch.coarse)
        fake = self._generate(noised(batch.pictures, draw.noise, draw.time), draw.time, told)
        real_tokens, _, condition = self._look_only(noised(batch.pictures, draw.critic_noise, tau), tau, told)
        covered = noised(fake, draw.critic_noise, tau)
        fake_tokens, predicted, _ = self._look(covered, tau, told)
        critic = self._critic_losses(real_tokens, fake_tokens, condition)
        self.descent_d.descend(critic, rate, number)
        self.critic.requires_grad_(False)
        actor = {"adversarial": self._persuasion(real_tokens, fake_tokens, condition)}
        if self.objective.distillation:
            silence = (batch.slots * 0, batch.colours * 0, batch.text * 0, batch.coarse)
            _, untold, _ = self._look_only(covered.detach(), tau, silence)
            pull = objective.distillation(fake, predicted, untold, self.objective.guidance)
            actor["distillation"] = self.objective.distillation * pull
        if self.objective.patch_weight:
            critic["patches"] = self._teach_patches(fake.detach(), batch, rate, number)
            actor["patches"] = self.objective.patch_weight * self._patch_gap(fake, batch.pictures, batch.coarse)
        self.descent_g.descend(actor, rate, number)
        self.critic.requires_grad_(True)
        self.patches.requires_grad_(True)
        self.average.follow(self.student, average_decay(number + 1, self.recipe.optimiser))
        shown = {f"d_{name}": value for name, value in critic.items()}
        shown |= {f"g_{name}": value for name, value in actor.items()}
        numbers = torch.stack([value.detach().float() for value in shown.values()]).tolist()  # one wait for the device
        return watched | dict(zip(shown, numbers, strict=True))

    def sheet(self) -> Sheet:
        """See `Trainer.sheet`."""
        sample = partial(renoised_sample, self.average.network, steps=SHEET_STEPS)
        with precision(self.recipe, self.team):
            return catalogue_sheet(self.catalogue, sample, self.team.device)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """See `Trainer.state`; the teacher and the guard's best state are parts of `model`."""
        parts = self._parts()
        more = prefixed(TEACHER, self.teacher.state_dict()) | prefixed(GUARD, self.guard.state())
        return {**parts, "model": parts["model"] | more}

    def load_state(self, parts: Parts) -> None:
        """See `Trainer.load_state`."""
        self._load_parts(parts)
        self.teacher.load_state_dict(without_prefix(TEACHER, parts["model"]))
        self.guard.load_state(without_prefix(GUARD, parts["model"]))

    def _parts(self) -> dict[str, dict[str, Tensor]]:
        return {
            "model": prefixed(G, self.student.state_dict())
            | prefixed(D, self.critic.state_dict())
            | prefixed(P, self.patches.state_dict()),
            "ema": self.average.network.state_dict(),
            "optimiser": self.descent_g.state() | self.descent_d.state() | self.descent_p.state(),
        }

    def _load_parts(self, parts: Parts) -> None:
        self.student.load_state_dict(without_prefix(G, parts["model"]))
        self.critic.load_state_dict(without_prefix(D, parts["model"]))
        self.patches.load_state_dict(without_prefix(P, parts["model"]))
        self.average.network.load_state_dict(parts["ema"])
        self.descent_g.load_state(parts["optimiser"])
        self.descent_d.load_state(parts["optimiser"])
        self.descent_p.load_state(parts["optimiser"])

    def _draw(self) -> _Draw:
        wish, device = self.objective, self.draws.device
        count = self.recipe.loop.batch // self.team.size
        batch = draw_batch(self.catalogue, count, self.drawing, self.draws)
        time = objective.student_times(count, wish.start_share, wish.latest_start, self.draws)
        tau = logit_normal_times(count, wish.critic_time_mean, wish.critic_time_deviation, self.draws)
        noise, critic_noise = torch.randn(2, *batch.pictures.shape, generator=self.draws, device=device)
        return _Draw(batch, time, noise, tau, critic_noise)

    def _make(self, noisy: Tensor, time: Tensor, told: Condition) -> Tensor:
        with precision(self.recipe, self.team):
            pictures: Tensor = self.student(noisy, time, self.student.encode(*told))
        return pictures.float()

    def _see(self, noisy: Tensor, time: Tensor, told: Condition) -> tuple[list[Tensor], Tensor, Tensor]:
        """The teacher's tokens, its prediction, and the condition with the time."""
        with precision(self.recipe, self.team):
            condition = self.teacher.encode(*told)
            predicted, tokens = self.teacher.look(noisy, time, condition, self.objective.critic_blocks)
            return tokens, predicted.float(), self.teacher.together(time, condition)

    def _teach_patches(self, fake: Tensor, batch: Batch, rate: float, number: int) -> Tensor:
        """A step of the critic of patches, which then stands still; its loss."""
        loss = self._patch_gap(batch.pictures, fake, batch.coarse)
        self.descent_p.descend({"patches": loss}, rate, number)
        self.patches.requires_grad_(False)
        return loss

    def _critic_losses(self, real: list[Tensor], fake: list[Tensor], condition: Tensor) -> dict[str, Tensor]:
        wish, still = self.objective, [some.detach() for some in fake]
        with precision(self.recipe, self.team):
            real_logits, fake_logits = self.critic(real, condition).float(), self.critic(still, condition).float()
        losses = {"adversarial": adversarial.relativistic_discriminator(real_logits, fake_logits)}
        if wish.penalty:

            def score(tokens: Sequence[Tensor]) -> Tensor:
                logits: Tensor = self.critic(tokens, condition.float())
                return logits

            both = objective.feature_penalty(score, real) + objective.feature_penalty(score, still)
            losses["penalty"] = both * (wish.penalty / 2 * self.guard.penalty_factor)
        return losses

    def _persuasion(self, real: list[Tensor], fake: list[Tensor], condition: Tensor) -> Tensor:
        with precision(self.recipe, self.team):
            real_logits, fake_logits = self.critic(real, condition).float(), self.critic(fake, condition).float()
        return adversarial.relativistic_generator(real_logits, fake_logits)

    def _gap(self, better: Tensor, worse: Tensor, coarse: Tensor) -> Tensor:
        """How far pictures are from being seen as better than their partners; see `objective.patch_gap`."""
        with precision(self.recipe, self.team):
            above, below = self.patches(better)[0], self.patches(worse)[0]
        return objective.patch_gap(above.float(), below.float(), coarse)
