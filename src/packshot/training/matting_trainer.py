"""The matting family: a photo's coverage by the product, learnt from composites and real photos."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from packshot.evaluation.lite0 import load_lite0
from packshot.training.composites import draw_composites, fixed_composites
from packshot.training.cutouts import Cutouts
from packshot.training.distributed import Team
from packshot.training.networks.matting import MattingNetwork, MattingSpec, load_encoder
from packshot.training.objectives import matting as objective
from packshot.training.recipe import Recipe
from packshot.training.sampling import Sheet
from packshot.training.schedule import average_decay
from packshot.training.sections import CompositesRecipe, MattingNetworkRecipe, MattingObjectiveRecipe
from packshot.training.trainer import Average, Descent, Parts, compiled, precision, start_from, synchronised

MEASURED, SHOWN, AT_ONCE, PER_LINE = 96, 24, 8, 9
"""Held-out pictures that are measured and shown; pictures in memory at a time; three pictures of three in a line."""


def matting_spec(recipe: Recipe) -> MattingSpec:
    """The sizes of a recipe's network."""
    assert isinstance(recipe.network, MattingNetworkRecipe)
    return MattingSpec(recipe.network.decoder, recipe.network.detail)


class MattingTrainer:
    """See `Trainer`."""

    def __init__(self, recipe: Recipe, data: Cutouts, generator: torch.Generator, team: Team) -> None:
        assert isinstance(recipe.objective, MattingObjectiveRecipe) and isinstance(recipe.data, CompositesRecipe)
        assert isinstance(recipe.network, MattingNetworkRecipe)
        self.recipe, self.objective, self.drawing, self.team = recipe, recipe.objective, recipe.data, team
        self.data, self.generator = data, generator
        self.network = MattingNetwork(matting_spec(recipe))
        if recipe.network.pretrained:
            load_encoder(self.network, load_lite0("network.pretrained"))
        start_from(self.network, recipe.loop, team)
        self.network.to(device=team.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        synchronised([self.network], team)
        self.average = Average(self.network)
        self.descent = Descent(self.network, "", recipe.optimiser, recipe.optimiser.learning_rate, team)
        self._both = compiled(self.network.both, recipe)

    def step(self, number: int, *, rate: float, progress: float) -> dict[str, float]:
        """See `Trainer.step`."""
        batch = draw_composites(self.data, self.recipe.loop.batch // self.team.size, self.drawing, self.generator)
        photos = batch.photos.to(device=self.team.device, memory_format=torch.channels_last)
        wanted, wish = batch.coverage.to(self.team.device), self.objective
        with precision(self.recipe, self.team):
            logits, early = (found.float() for found in self._both(photos))
        found = torch.sigmoid(logits)
        losses = {
            "pixels": objective.pixel_error(logits, wanted, wish.edge),
            "laplacian": wish.laplacian * objective.laplacian_error(found, wanted),
            "overlap": wish.overlap * objective.overlap_error(found, wanted),
            "early": wish.early
            * F.binary_cross_entropy_with_logits(early, F.avg_pool2d(wanted, wanted.shape[-1] // early.shape[-1])),
        }
        self.descent.descend(losses, rate, number)
        self.average.follow(self.network, average_decay(number + 1, self.recipe.optimiser))
        return {name: value.item() for name, value in losses.items()}

    def sheet(self) -> Sheet:
        """See `Trainer.sheet`: photo, coverage found, coverage wanted; held-out composites, then held-out real photos.

        The values are the means of intersection over union at one half and of the absolute error.
        """
        fixed = fixed_composites(self.data, MEASURED, self.drawing)
        tiles, values = self._measured(fixed.photos, fixed.coverage, "")
        if len(self.data.held_out_photos):
            real = self.data.held_out_photos.float() / 255
            more, others = self._measured(real[:, :3] * 2 - 1, real[:, 3:], "real_")
            tiles, values = tiles + more, values | others
        return Sheet(torch.cat(tiles), PER_LINE, values)

    @torch.no_grad()
    def _measured(self, photos: Tensor, wanted: Tensor, name: str) -> tuple[list[Tensor], dict[str, float]]:
        found = []
        photos, wanted = photos.cpu(), wanted.cpu()
        for some in torch.split(photos, AT_ONCE):
            placed = some.to(device=self.team.device, memory_format=torch.channels_last)
            found.append(torch.sigmoid(self.average.network(placed)).cpu())
        cover = torch.cat(found)
        both, either = ((cover > 0.5) & (wanted > 0.5)).sum((1, 2, 3)), ((cover > 0.5) | (wanted > 0.5)).sum((1, 2, 3))
        values = {
            f"{name}iou": (both / either.clamp_min(1)).mean().item(),
            f"{name}error": (cover - wanted).abs().mean().item(),
        }
        shown = torch.stack([photos, (cover * 2 - 1).expand_as(photos), (wanted * 2 - 1).expand_as(photos)], 1)[:SHOWN]
        return [shown.flatten(0, 1).clamp(-1, 1)], values

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
