"""The upscaler family: enlarging pictures two or four times; first alone, then against a critic of patches."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from packshot.training.distributed import Team
from packshot.training.fine_pictures import FinePictures, draw_crops
from packshot.training.networks.critic import PatchCritic
from packshot.training.networks.upscaler import Upscaler, UpscalerSpec
from packshot.training.objectives import upscale as objective
from packshot.training.objectives.gan import relativistic_discriminator, relativistic_generator
from packshot.training.recipe import Recipe
from packshot.training.sampling import Sheet
from packshot.training.schedule import average_decay
from packshot.training.sections import FinePicturesRecipe, UpscalerNetworkRecipe, UpscalerObjectiveRecipe
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

G, C = "upscaler.", "critic."
SHOWN, MEASURED, AT_ONCE = 12, 64, 8
"""Held-out pictures on a sheet, in its means, and in memory at a time."""
PER_LINE = 8
"""Two pictures in a line of the sheet, four ways each."""


def upscaler_spec(recipe: Recipe) -> UpscalerSpec:
    """The sizes of a recipe's network."""
    assert isinstance(recipe.network, UpscalerNetworkRecipe)
    network = recipe.network
    return UpscalerSpec(network.channels, network.blocks, network.detail, network.factor)


class UpscalerTrainer:
    """See `Trainer`. The critic is not compiled for a CPU: there it runs 2.6 times faster without, channels last."""

    def __init__(self, recipe: Recipe, data: FinePictures, generator: torch.Generator, team: Team) -> None:
        assert isinstance(recipe.objective, UpscalerObjectiveRecipe) and isinstance(recipe.data, FinePicturesRecipe)
        assert isinstance(recipe.network, UpscalerNetworkRecipe)
        self.recipe, self.objective, self.drawing, self.team = recipe, recipe.objective, recipe.data, team
        self.data, self.generator = data, generator
        self.network = Upscaler(upscaler_spec(recipe))
        self.factor = self.network.spec.factor
        self.critic = PatchCritic(recipe.network.critic_channels)
        start_from(self.network, recipe.loop, team)
        for network in (self.network, self.critic):
            network.to(device=team.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        synchronised([self.network, self.critic], team)
        self.average = Average(self.network)
        peak, wish = recipe.optimiser.learning_rate, recipe.objective
        self.descent = Descent(self.network, G, recipe.optimiser, peak, team)
        critics = replace(recipe.optimiser, betas=wish.critic_betas)
        self.descent_critic = Descent(self.critic, C, critics, peak * wish.critic_rate, team)
        self._enlarge = compiled(self._enlarged, recipe)
        self._judge, self._please = self._critic_loss, self._adversarial_loss
        if team.device.type == "cuda":
            self._judge, self._please = compiled(self._critic_loss, recipe), compiled(self._adversarial_loss, recipe)

    def step(self, number: int, *, rate: float, progress: float) -> dict[str, float]:
        """See `Trainer.step`."""
        small, fine = self._draw()
        enlarged, losses = self._enlarge(small, fine)
        wish = self.objective
        shown: dict[str, Tensor] = {}
        if wish.adversarial and progress >= wish.adversarial_start:
            self.critic.requires_grad_(True)
            verdict = self._judge(enlarged.detach(), fine)
            self.descent_critic.descend({"critic": verdict}, rate, number)
            self.critic.requires_grad_(False)
            plain, likeness = self._please(enlarged, fine)
            weight = objective.adversarial_weight(
                progress, wish.adversarial, wish.adversarial_start, wish.adversarial_ramp
            )
            losses["adversarial"] = weight * plain
            losses["matching"] = wish.matching * likeness
            shown = {"critic": verdict, "adversarial": plain}
        self.descent.descend(losses, rate, number)
        self.average.follow(self.network, average_decay(number + 1, self.recipe.optimiser))
        shown = {**losses, **shown}  # the adversarial one without its weight
        numbers = torch.stack([value.detach() for value in shown.values()]).tolist()  # one wait for the device
        return dict(zip(shown, numbers, strict=True))

    @torch.no_grad()
    def sheet(self) -> Sheet:
        """See `Trainer.sheet`: held-out pictures from over all of them, with `psnr` and `psnr_bicubic` in decibels.

        Shown are the small picture, the same enlarged by bicubic interpolation and by the network, and the real one;
        the small one is the redrawn picture where there is one, the means are of reduced pictures always.
        """
        held_out, redrawn = self.data.held_out, self.data.held_out_redrawn
        chosen = torch.linspace(0, len(held_out) - 1, min(MEASURED, len(held_out))).round().long().to(held_out.device)
        tiles: list[Tensor] = []
        ours: list[Tensor] = []
        bicubic: list[Tensor] = []
        for rows in torch.split(chosen, AT_ONCE):
            fine = self._floats(held_out[rows])
            small = objective.reduced(fine, self.factor)
            ours.append(objective.psnr(self._finished(small), fine))
            bicubic.append(objective.psnr(_bicubic(small, self.factor), fine))
            if len(tiles) * AT_ONCE < SHOWN:
                seen = small if redrawn is None else self._floats(redrawn[rows])
                nearest = F.interpolate(seen, scale_factor=self.factor, mode="nearest")
                tiles.append(torch.stack([nearest, _bicubic(seen, self.factor), self._finished(seen), fine], dim=1))
        values = {"psnr": torch.cat(ours).mean().item(), "psnr_bicubic": torch.cat(bicubic).mean().item()}
        return Sheet(torch.cat(tiles)[:SHOWN].flatten(0, 1), PER_LINE, values)

    def _finished(self, small: Tensor) -> Tensor:
        finished: Tensor = self.average.network(small).clamp(-1, 1)
        return finished

    def _floats(self, pictures: Tensor) -> Tensor:
        return pictures.to(self.team.device).float() / 127.5 - 1

    def state(self) -> dict[str, dict[str, Tensor]]:
        """See `Trainer.state`; the average is of the upscaler alone."""
        return {
            "model": prefixed(G, self.network.state_dict()) | prefixed(C, self.critic.state_dict()),
            "ema": self.average.network.state_dict(),
            "optimiser": self.descent.state() | self.descent_critic.state(),
        }

    def load_state(self, parts: Parts) -> None:
        """See `Trainer.load_state`."""
        self.network.load_state_dict(without_prefix(G, parts["model"]))
        self.critic.load_state_dict(without_prefix(C, parts["model"]))
        self.average.network.load_state_dict(parts["ema"])
        self.descent.load_state(parts["optimiser"])
        self.descent_critic.load_state(parts["optimiser"])

    def _draw(self) -> tuple[Tensor, Tensor]:
        """Small and fine crops: all randomness of a step."""
        crops = draw_crops(self.data, self.recipe.loop.batch // self.team.size, self.drawing, self.generator)
        small = objective.degrade(crops.fine, self.factor, self.generator)
        if crops.redrawn is not None:
            chances = torch.rand(len(small), generator=self.generator, device=self.generator.device)
            small = torch.where(chances.view(-1, 1, 1, 1) < self.drawing.redraw_share, crops.redrawn, small)
        return self._placed(small), self._placed(crops.fine)

    def _placed(self, pictures: Tensor) -> Tensor:
        return pictures.to(device=self.team.device, memory_format=torch.channels_last)

    def _enlarged(self, small: Tensor, fine: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        with precision(self.recipe, self.team):
            enlarged = self.network(small)
        enlarged = enlarged.float()
        gradient = self.objective.gradient * objective.gradient_error(enlarged, fine)
        return enlarged, {"pixels": objective.charbonnier(enlarged, fine), "gradient": gradient}

    def _critic_loss(self, enlarged: Tensor, fine: Tensor) -> Tensor:
        with precision(self.recipe, self.team):
            real, fake = self.critic(fine)[0], self.critic(enlarged)[0]
        return relativistic_discriminator(real.float(), fake.float())

    def _adversarial_loss(self, enlarged: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        with precision(self.recipe, self.team):
            (real, wanted), (fake, found) = self.critic(fine), self.critic(enlarged)
        return relativistic_generator(real.float(), fake.float()), objective.feature_error(found, wanted)


def _bicubic(small: Tensor, factor: int) -> Tensor:
    return F.interpolate(small, scale_factor=factor, mode="bicubic", align_corners=False).clamp(-1, 1)
