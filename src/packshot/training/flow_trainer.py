"""The flow family: one network; Muon for the matrices of its blocks where the recipe says so."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict
from functools import partial

import torch
from torch import Tensor, nn

from packshot.training.data import Batch, Catalogue, draw_batch
from packshot.training.distributed import Team
from packshot.training.networks.flow import FlowSpec, FlowTransformer
from packshot.training.objectives import flow as objective
from packshot.training.recipe import Recipe
from packshot.training.sampling import Sheet, catalogue_sheet, flow_sample
from packshot.training.schedule import average_decay
from packshot.training.sections import DataRecipe, FlowNetworkRecipe, FlowObjectiveRecipe
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

SHEET_STEPS, SHEET_GUIDANCE = 16, 2.0
TEACHER = "teacher."
Condition = tuple[Tensor, Tensor, Tensor, Tensor]
"""Slots, colours, text and coarseness, as `FlowTransformer.encode` takes them."""


def flow_spec(recipe: Recipe) -> FlowSpec:
    """The sizes of a recipe's network."""
    assert isinstance(recipe.network, FlowNetworkRecipe)
    sizes = asdict(recipe.network)
    conditioner = conditioner_spec(sizes.pop("vocabulary"), recipe.network.width)
    return FlowSpec(resolution=recipe.data.resolution, conditioner=conditioner, **sizes)


class FlowTrainer:
    """See `Trainer`."""

    def __init__(self, recipe: Recipe, catalogue: Catalogue, generator: torch.Generator, team: Team) -> None:
        assert isinstance(recipe.objective, FlowObjectiveRecipe) and isinstance(recipe.data, DataRecipe)
        self.recipe, self.objective, self.drawing, self.team = recipe, recipe.objective, recipe.data, team
        self.catalogue, self.generator = catalogue, generator
        self.network = FlowTransformer(flow_spec(recipe))
        start_from(self.network, recipe.loop, team)
        self.network.to(team.device)
        synchronised([self.network], team)
        self.average = Average(self.network)
        self.teacher: FlowTransformer | None = None
        linear = [layer for layer in self.network.blocks.modules() if isinstance(layer, nn.Linear)]
        matrices = [weight for layer in linear for weight in layer.parameters() if weight.ndim == 2]
        peak = recipe.optimiser.learning_rate
        self.descent = Descent(self.network, "", recipe.optimiser, peak, team, matrices=matrices)
        self._loss = compiled(self._plain_loss, recipe)
        self._push = compiled(self._predictions, recipe)

    def step(self, number: int, *, rate: float, progress: float) -> dict[str, float]:
        """See `Trainer.step`."""
        count = self.recipe.loop.batch // self.team.size
        batch = draw_batch(self.catalogue, count, self.drawing, self.generator)
        wish = self.objective
        time = objective.logit_normal_times(count, wish.time_mean, wish.time_deviation, self.generator)
        noise = torch.randn(batch.pictures.shape, generator=self.generator, device=self.generator.device)
        if self.teacher is None and wish.folds and progress >= wish.guidance_start:
            self.teacher = deepcopy(self.average.network)
        target = self._target(self.teacher, batch, time, noise) if self.teacher is not None else batch.pictures
        told = (batch.slots, batch.colours, batch.text, batch.coarse)
        loss = self._loss(batch.pictures, target, told, time, noise)
        self.descent.descend({"loss": loss}, rate, number)
        self.average.follow(self.network, average_decay(number + 1, self.recipe.optimiser))
        return {"loss": loss.item()}

    def sheet(self) -> Sheet:
        """See `Trainer.sheet`; classifier-free guidance is used as long as none is folded in."""
        guidance = SHEET_GUIDANCE if self.teacher is None else 1.0
        sample = partial(flow_sample, self.average.network, steps=SHEET_STEPS, guidance=guidance)
        with precision(self.recipe, self.team):
            return catalogue_sheet(self.catalogue, sample, self.team.device)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """See `Trainer.state`; the teacher is a part of the model from the moment there is one."""
        teacher = prefixed(TEACHER, self.teacher.state_dict()) if self.teacher is not None else {}
        return {
            "model": {**self.network.state_dict(), **teacher},
            "ema": self.average.network.state_dict(),
            "optimiser": self.descent.state(),
        }

    def load_state(self, parts: Parts) -> None:
        """See `Trainer.load_state`."""
        teacher = without_prefix(TEACHER, parts["model"])
        own = {name: tensor for name, tensor in parts["model"].items() if not name.startswith(TEACHER)}
        self.network.load_state_dict(own)
        if teacher:
            self.teacher = deepcopy(self.average.network)
            self.teacher.load_state_dict(teacher)
        self.average.network.load_state_dict(parts["ema"])
        self.descent.load_state(parts["optimiser"])

    def _plain_loss(self, x: Tensor, target: Tensor, told: Condition, time: Tensor, noise: Tensor) -> Tensor:
        noisy = objective.noised(x, noise, time)
        with precision(self.recipe, self.team):
            predicted = self.network(noisy, time, self.network.encode(*told))
        return objective.velocity_loss(predicted, target, time, self.objective.smallest_gap)

    @torch.no_grad()
    def _target(self, teacher: FlowTransformer, batch: Batch, time: Tensor, noise: Tensor) -> Tensor:
        """Clean pictures, the first `guidance_share` of them pushed by guidance (the order of a batch is random).

        The teacher stands still: the network's own average would be guided more and more, without end for w >= 2.
        """
        wish, count = self.objective, len(batch.pictures)
        folded = round(count * wish.guidance_share)
        if not folded:
            return batch.pictures
        x, t = batch.pictures[:folded], time[:folded]
        noisy = objective.noised(x, noise[:folded], t)
        slots, colours, text, coarse = (
            some[:folded] for some in (batch.slots, batch.colours, batch.text, batch.coarse)
        )
        # Where nothing is said both predictions agree, so unconditional pictures keep their plain target by themselves.
        told, untold = self._push(
            teacher, noisy, t, (slots, colours, text, coarse), (slots * 0, colours * 0, text * 0, coarse)
        )
        applies = (t >= wish.guidance_interval[0]) & (t <= wish.guidance_interval[1])
        begun = x if wish.guidance_target == "pictures" else told.float()
        pushed = objective.folded_target(begun, told, untold, wish.guidance_scale, applies)
        if wish.emphasis:
            only = torch.zeros_like(slots)
            only[:, 0] = slots[:, 0]
            (plain,) = self._push(teacher, noisy, t, (only, colours, text * 0, coarse))
            says_more = (slots[:, 1:] != 0).any(1)  # as at run time, where sentences alone are not stressed
            pushed = objective.folded_target(pushed, told, plain, 1 + wish.emphasis, applies & says_more)
        return torch.cat([pushed, batch.pictures[folded:]])

    def _predictions(
        self, teacher: FlowTransformer, noisy: Tensor, time: Tensor, *conditions: Condition
    ) -> tuple[Tensor, ...]:
        """The teacher's prediction under each condition."""
        with precision(self.recipe, self.team):
            return tuple(teacher(noisy, time, teacher.encode(*condition)) for condition in conditions)
