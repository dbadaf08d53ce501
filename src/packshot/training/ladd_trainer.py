"""Finishing a flow adversarially, so that one to four evaluations make a picture.

Student, teacher and the discriminator's features are the same trained flow: the student goes on learning, the teacher
stands still, and small heads on its tokens tell real from made (LADD; Sauer et al. 2024).
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
from packshot.training.networks.critic import TokenCritic, TokenCriticSpec
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

G, D, TEACHER, GUARD = "generator.", "discriminator.", "teacher.", "guard."
SHEET_STEPS = 2


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
        self.student.to(team.device)
        self.critic.to(team.device)
        synchronised([self.student, self.critic], team)
        self.teacher = deepcopy(self.student).eval().requires_grad_(False)
        self.average = Average(self.student)
        peak = recipe.optimiser.learning_rate
        self.descent_g = Descent(self.student, G, recipe.optimiser, peak, team)
        self.descent_d = Descent(self.critic, D, recipe.optimiser, peak * wish.discriminator_rate, team)
        self.guard = Guard(wish.watch, catalogue, team.device, team.leads)
        self._generate = compiled(self._make, recipe)
        self._look = compiled(self._see, recipe)
        self._look_only = compiled(torch.no_grad()(self._see), recipe)

    def step(self, number: int, *, rate: float, progress: float) -> dict[str, float]:
        """See `Trainer.step`."""
        watched = self.guard.look(
            number, partial(renoised_sample, self.average.network, steps=1), self._parts, self._load_parts
        )
        draw = self._draw()
        batch, tau = draw.batch, draw.critic_time
        fake = self._generate(
            noised(batch.pictures, draw.noise, draw.time), draw.time, batch.slots, batch.colours, batch.text
        )
        told = (batch.slots, batch.colours, batch.text)
        real_tokens, _, condition = self._look_only(noised(batch.pictures, draw.critic_noise, tau), tau, *told)
        covered = noised(fake, draw.critic_noise, tau)
        fake_tokens, predicted, _ = self._look(covered, tau, *told)
        critic = self._critic_losses(real_tokens, fake_tokens, condition)
        self.descent_d.descend(critic, rate, number)
        self.critic.requires_grad_(False)
        actor = {"adversarial": self._persuasion(real_tokens, fake_tokens, condition)}
        if self.objective.distillation:
            silence = [some * 0 for some in told]
            _, untold, _ = self._look_only(covered.detach(), tau, *silence)
            pull = objective.distillation(fake, predicted, untold, self.objective.guidance)
            actor["distillation"] = self.objective.distillation * pull
        self.descent_g.descend(actor, rate, number)
        self.critic.requires_grad_(True)
        self.average.follow(self.student, average_decay(number + 1, self.recipe.optimiser))
        shown = watched | {f"d_{name}": value.item() for name, value in critic.items()}
        return shown | {f"g_{name}": value.item() for name, value in actor.items()}

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
            "model": prefixed(G, self.student.state_dict()) | prefixed(D, self.critic.state_dict()),
            "ema": self.average.network.state_dict(),
            "optimiser": self.descent_g.state() | self.descent_d.state(),
        }

    def _load_parts(self, parts: Parts) -> None:
        self.student.load_state_dict(without_prefix(G, parts["model"]))
        self.critic.load_state_dict(without_prefix(D, parts["model"]))
        self.average.network.load_state_dict(parts["ema"])
        self.descent_g.load_state(parts["optimiser"])
        self.descent_d.load_state(parts["optimiser"])

    def _draw(self) -> _Draw:
        wish, device = self.objective, self.draws.device
        count = self.recipe.loop.batch // self.team.size
        batch = draw_batch(self.catalogue, count, self.drawing, self.draws)
        time = objective.student_times(count, wish.start_share, wish.latest_start, self.draws)
        tau = logit_normal_times(count, wish.critic_time_mean, wish.critic_time_deviation, self.draws)
        noise, critic_noise = torch.randn(2, *batch.pictures.shape, generator=self.draws, device=device)
        return _Draw(batch, time, noise, tau, critic_noise)

    def _make(self, noisy: Tensor, time: Tensor, slots: Tensor, colours: Tensor, text: Tensor) -> Tensor:
        with precision(self.recipe, self.team):
            pictures: Tensor = self.student(noisy, time, self.student.encode(slots, colours, text))
        return pictures.float()

    def _see(
        self, noisy: Tensor, time: Tensor, slots: Tensor, colours: Tensor, text: Tensor
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """The teacher's tokens, its prediction, and the condition with the time."""
        with precision(self.recipe, self.team):
            condition = self.teacher.encode(slots, colours, text)
            predicted, tokens = self.teacher.look(noisy, time, condition, self.objective.critic_blocks)
            return tokens, predicted.float(), self.teacher.together(time, condition)

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
