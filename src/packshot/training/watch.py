"""Watching a GAN for mode collapse: what it makes of fixed conditions, the alarm, and the way back.

Two numbers in pixels reduced to `LOOK_PX`, so that they need no network and mean the same on every catalogue:
diversity, how far apart two pictures of one condition are, over how far apart real products of one category are; and
coverage of the real products (Naeem et al. 2020, equation 6).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from packshot.evaluation.metrics import density_coverage
from packshot.training.data import Catalogue
from packshot.training.sections import WatchRecipe
from packshot.training.trainer import Parts, prefixed, without_prefix

LOOK_PX, SEED, NEIGHBOURS = 8, 11, 5
BEST = "best."
Sampler = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""Slots, colours, text and seed -> pictures (N, 3, R, R) in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How varied a generator is.

    Attributes:
        diversity: 0 where the latent changes nothing; about 1 where it matters as much as the product does.
        coverage: share of the real products with a generated one nearby, 0 to 1.
    """

    diversity: float
    coverage: float


class Watch:
    """Reads a generator on conditions that stay the same through the whole run."""

    def __init__(self, catalogue: Catalogue, count: int) -> None:
        generator = torch.Generator().manual_seed(SEED)
        rows = torch.randperm(len(catalogue.ids), generator=generator)[:count].to(catalogue.pictures.device)
        self.slots, self.colours = catalogue.slots[rows].cpu(), catalogue.colours[rows].cpu()
        self.text = torch.zeros(len(rows), catalogue.text.shape[2])
        self.real = _look(catalogue.pictures[rows].cpu().float() / 127.5 - 1)
        self.apart = _apart_within(self.real, self.slots[:, 0])

    def read(self, sample: Sampler, device: torch.device) -> Reading:
        """Sample every condition twice, with different latents."""
        slots, colours, text = self.slots.to(device), self.colours.to(device), self.text.to(device)
        first, second = (_look(sample(slots, colours, text, SEED + k).float().cpu()) for k in (0, 1))
        diversity = (first - second).norm(dim=1).mean().item() / self.apart
        _, coverage = density_coverage(self.real.numpy(), first.numpy(), k=min(NEIGHBOURS, len(first) - 1))
        return Reading(diversity, coverage)


class Guard:
    """Keeps the best state so far; on an alarm it gives that back and asks for stronger measures."""

    def __init__(self, recipe: WatchRecipe, catalogue: Catalogue, device: torch.device, leads: bool) -> None:
        self.recipe, self.device, self.leads = recipe, device, leads
        self.watch = Watch(catalogue, recipe.pictures) if recipe.every else None
        self.best: dict[str, Tensor] = {}
        self.best_coverage, self.alarms, self.era, self.began = -1.0, 0, 0, 0

    @property
    def penalty_factor(self) -> float:
        """By which gradient penalties have grown."""
        return self.recipe.penalty_factor**self.alarms

    @property
    def mode_seeking(self) -> float:
        """What is added to the weight of mode seeking."""
        return self.recipe.mode_seeking * self.alarms

    def enter(self, era: int, number: int) -> bool:
        """From step `number` on pictures are of the kind `era`; what was best before is nothing to go back to.

        Returns:
            Whether that is news.
        """
        if era == self.era:
            return False
        self.era, self.began, self.best, self.best_coverage = era, number, {}, -1.0
        return True

    def look(
        self, number: int, sample: Sampler, state: Callable[[], Parts], restore: Callable[[Parts], None]
    ) -> dict[str, float]:
        """Read when it is time, keep what is best, and return to it on an alarm.

        Args:
            number: of the step that comes next.
            sample: of the moving average.
            state: of the trainer, without the guard's own.
            restore: undoes `state`.

        Returns:
            What is worth logging; empty when it was not time.
        """
        if self.watch is None or not number or number % self.recipe.every:
            return {}
        reading = self.watch.read(sample, self.device)
        told = {"diversity": reading.diversity, "coverage": reading.coverage, "alarm": 0.0}
        reason = self._reason(reading)
        if not reason:
            if reading.coverage > self.best_coverage:
                self.best_coverage = reading.coverage
                self.best = {
                    f"{part}/{name}": tensor.detach().clone()
                    for part, some in state().items()
                    for name, tensor in some.items()
                }
            return told
        again = self.alarms < self.recipe.most_alarms
        self._tell(number, reason, again)
        if again:
            self.alarms += 1
            if self.best:
                restore(self._best_parts())
        return {**told, "alarm": 1.0}

    def state(self) -> dict[str, Tensor]:
        """Tensors by name, for a checkpoint."""
        numbers = torch.tensor([self.best_coverage, self.alarms, self.era, self.began], dtype=torch.float64)
        return {"guard": numbers, **prefixed(BEST, self.best)}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Undo `state`."""
        self.best_coverage, *counts = tensors["guard"].tolist()
        self.alarms, self.era, self.began = map(int, counts)
        self.best = without_prefix(BEST, tensors)

    def _reason(self, reading: Reading) -> str:
        wish = self.recipe
        if reading.diversity < wish.least_diversity:
            return f"diversity {reading.diversity:.3f} is under {wish.least_diversity:g}"
        least = wish.least_coverage * self.best_coverage
        return f"coverage {reading.coverage:.3f} is under {least:.3f}" if reading.coverage < least else ""

    def _tell(self, number: int, reason: str, again: bool) -> None:
        if self.leads:
            measures = "back to the best state, with stronger measures" if again else "no more measures are allowed"
            sys.stderr.write(f"packshot: mode collapse at step {number}: {reason}; {measures}\n")

    def _best_parts(self) -> dict[str, dict[str, Tensor]]:
        parts: dict[str, dict[str, Tensor]] = {}
        for key, tensor in self.best.items():
            part, _, name = key.partition("/")
            parts.setdefault(part, {})[name] = tensor
        return parts


def _look(pictures: Tensor) -> Tensor:
    """(N, 3, R, R) -> (N, 3 LOOK_PX²)."""
    return F.adaptive_avg_pool2d(pictures, LOOK_PX).flatten(1)


def _apart_within(looks: Tensor, category: Tensor) -> float:
    """Mean distance of two real products of one category, over categories with at least two."""
    distances = []
    for value in torch.unique(category):
        some = looks[category == value]
        if len(some) > 1:
            distances.append(torch.pdist(some))
    return torch.cat(distances or [torch.pdist(looks)]).mean().clamp(min=1e-6).item()
