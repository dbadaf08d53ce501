"""The flow family: one network, one optimiser."""

from __future__ import annotations

from dataclasses import asdict

import torch
from torch import Tensor

from packshot.training.data import Batch, Catalogue, draw_batch
from packshot.training.distributed import Team
from packshot.training.networks.flow import FlowSpec, FlowTransformer
from packshot.training.objectives import flow as objective
from packshot.training.recipe import FlowNetworkRecipe, FlowObjectiveRecipe, Recipe
from packshot.training.sampling import flow_sample
from packshot.training.schedule import average_decay
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

SHEET_STEPS, SHEET_GUIDANCE = 16, 2.0


def flow_spec(recipe: Recipe) -> FlowSpec:
    """The sizes of a recipe's network."""
    assert isinstance(recipe.network, FlowNetworkRecipe)
    sizes = asdict(recipe.network)
    conditioner = conditioner_spec(sizes.pop("vocabulary"), recipe.network.width)
    return FlowSpec(resolution=recipe.data.resolution, conditioner=conditioner, **sizes)


class FlowTrainer:
    """See `Trainer`."""

    def __init__(self, recipe: Recipe, catalogue: Catalogue, generator: torch.Generator, team: Team) -> None:
        assert isinstance(recipe.objective, FlowObjectiveRecipe)
        self.recipe, self.objective, self.team = recipe, recipe.objective, team
        self.catalogue, self.generator = catalogue, generator
        self.network = FlowTransformer(flow_spec(recipe))
        start_from(self.network, recipe.loop.init_from)
        self.network.to(team.device)
        synchronised([self.network], team)
        self.average = Average(self.network)
        self.descent = Descent(self.network, "", recipe.optimiser, recipe.optimiser.learning_rate, team)
        self._loss = compiled(self._plain_loss, recipe)
        self._push = compiled(self._predictions, recipe)

    def step(self, number: int, rate: float) -> dict[str, float]:
        """See `Trainer.step`."""
        count = self.recipe.loop.batch // self.team.size
        batch = draw_batch(self.catalogue, count, self.recipe.data, self.generator)
        wish = self.objective
        time = objective.logit_normal_times(count, wish.time_mean, wish.time_deviation, self.generator)
        noise = torch.randn(batch.pictures.shape, generator=self.generator)
        batch, time, noise = batch.to(self.team.device), time.to(self.team.device), noise.to(self.team.device)
        target = self._target(batch, time, noise)
        loss = self._loss(batch.pictures, target, batch.slots, batch.colours, batch.text, time, noise)
        self.descent.descend({"loss": loss}, rate, number)
        self.average.follow(self.network, average_decay(number + 1, self.recipe.optimiser))
        return {"loss": loss.item()}

    def sample(self, slots: Tensor, colours: Tensor, text: Tensor, seed: int) -> Tensor:
        """See `Trainer.sample`; classifier-free guidance is used where none was folded in."""
        guidance = SHEET_GUIDANCE if self.objective.guidance_scale == 1 else 1.0
        with precision(self.recipe, self.team):
            return flow_sample(self.average.network, slots, colours, text, seed, steps=SHEET_STEPS, guidance=guidance)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """See `Trainer.state`."""
        return {
            "model": self.network.state_dict(),
            "ema": self.average.network.state_dict(),
            "optimiser": self.descent.state(),
        }

    def load_state(self, parts: Parts) -> None:
        """See `Trainer.load_state`."""
        self.network.load_state_dict(parts["model"])
        self.average.network.load_state_dict(parts["ema"])
        self.descent.load_state(parts["optimiser"])

    def _plain_loss(
        self, x: Tensor, target: Tensor, slots: Tensor, colours: Tensor, text: Tensor, time: Tensor, noise: Tensor
    ) -> Tensor:
        noisy = objective.noised(x, noise, time)
        with precision(self.recipe, self.team):
            predicted = self.network(noisy, time, self.network.encode(slots, colours, text))
        return objective.velocity_loss(predicted, target, time, self.objective.smallest_gap)

    @torch.no_grad()
    def _target(self, batch: Batch, time: Tensor, noise: Tensor) -> Tensor:
        """Clean pictures, the first `guidance_share` of them pushed by guidance (the order of a batch is random)."""
        wish, count = self.objective, len(batch.pictures)
        folded = round(count * wish.guidance_share)
        if wish.guidance_scale == 1 or not folded:
            return batch.pictures
        x, t = batch.pictures[:folded], time[:folded]
        noisy = objective.noised(x, noise[:folded], t)
        # Where nothing is said both predictions agree, so unconditional pictures keep their plain target by themselves.
        told, untold = self._push(noisy, t, batch.slots[:folded], batch.colours[:folded], batch.text[:folded])
        applies = (t >= wish.guidance_interval[0]) & (t <= wish.guidance_interval[1])
        pushed = objective.folded_target(x, told, untold, wish.guidance_scale, applies)
        return torch.cat([pushed, batch.pictures[folded:]])

    def _predictions(
        self, noisy: Tensor, time: Tensor, slots: Tensor, colours: Tensor, text: Tensor
    ) -> tuple[Tensor, Tensor]:
        network = self.average.network
        with precision(self.recipe, self.team):
            told = network.encode(slots, colours, text)
            untold = network.encode(slots * 0, colours * 0, text * 0)
            return network(noisy, time, told), network(noisy, time, untold)
