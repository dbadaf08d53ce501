"""What the loop asks of a family of generators, and what the families share."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from packshot.errors import PackshotError, RecipeError
from packshot.training.checkpoint import flatten_optimiser, load_average, restore_optimiser
from packshot.training.data import COLOUR_FEATURES, TEXT_FEATURES
from packshot.training.distributed import Team
from packshot.training.muon import Muon
from packshot.training.networks.conditioner import Conditioner, ConditionerSpec
from packshot.training.newcomers import introduce
from packshot.training.precision import mixed_precision
from packshot.training.recipe import Recipe
from packshot.training.sampling import Sheet
from packshot.training.sections import LoopRecipe, OptimiserRecipe
from packshot.training.transfer import is_pack, load_pack

Parts = Mapping[str, Mapping[str, Tensor]]
Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])
Network = TypeVar("Network", bound=nn.Module)

MUON_MOMENTUM = 0.95
"""As in Jordan et al. 2024 and Liu et al. 2025."""


class TrainingDiverged(PackshotError):
    """A loss that is no longer a number."""


class Trainer(Protocol):
    """One family's networks, optimisers and step."""

    def step(self, number: int, *, rate: float, progress: float) -> dict[str, float]:
        """Take one step.

        Args:
            number: of the step, counted from 0.
            rate: times the peak learning rates.
            progress: share of the run that is over, 0 to 1.

        Returns:
            What is worth logging.

        Raises:
            TrainingDiverged: a loss is NaN or infinite; this state is not one to save.
        """
        ...

    def sheet(self) -> Sheet:
        """The same pictures each time, as the moving average makes them now."""
        ...

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Tensors by part and name: `model`, `ema`, `optimiser`; all there is to know but the random generator."""
        ...

    def load_state(self, parts: Parts) -> None:
        """Undo `state`."""
        ...


class Average(Generic[Network]):
    """A moving average of a network's weights, itself a network."""

    def __init__(self, network: Network) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def follow(self, network: nn.Module, decay: float) -> None:
        """Move towards the network's weights: average = decay * average + (1 - decay) * weights."""
        own, other = self.network.state_dict(), network.state_dict()
        torch._foreach_lerp_([own[name] for name in own], [other[name] for name in own], 1 - decay)


class Descent:
    """AdamW over one network, Muon over some of its matrices: matrices and kernels decay, biases and gains do not."""

    def __init__(
        self,
        network: nn.Module,
        prefix: str,
        recipe: OptimiserRecipe,
        peak: float,
        team: Team,
        *,
        matrices: Collection[nn.Parameter] = (),
    ) -> None:
        """Set out.

        Args:
            network: whose weights are learnt.
            prefix: of their names in `state`.
            recipe: everything but the peak.
            peak: AdamW's learning rate.
            team: whose gradients are averaged.
            matrices: weights that Muon takes where the recipe says so.
        """
        self.network, self.recipe, self.team = network, recipe, team
        named = {f"{prefix}{name}": p for name, p in network.named_parameters() if p.requires_grad}
        self.names = {p: name for name, p in named.items()}
        apart = set(matrices) if recipe.matrix_optimiser == "muon" else set()
        rest = [p for p in named.values() if p not in apart]
        groups = [
            {"params": [p for p in rest if p.ndim >= 2], "weight_decay": recipe.weight_decay},
            {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
        ]
        adamw = torch.optim.AdamW(groups, peak, betas=recipe.betas, fused=True)
        self.optimisers: list[tuple[torch.optim.Optimizer, float]] = [(adamw, peak)]
        if chosen := [p for p in named.values() if p in apart]:  # in the network's order: a set has none
            rate = recipe.matrix_learning_rate
            self.optimisers.append((Muon(chosen, rate, weight_decay=recipe.weight_decay, momentum=MUON_MOMENTUM), rate))

    def descend(self, losses: Mapping[str, Tensor], rate: float, number: int) -> None:
        """Back-propagate the sum of the losses and take one step."""
        for optimiser, _ in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        self.team.average_gradients(self.names)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        self._refuse_nonsense({**losses, "gradient norm": norm}, number)
        for optimiser, peak in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = peak * rate
            optimiser.step()

    def state(self) -> dict[str, Tensor]:
        """Moments and counters."""
        return {k: v for optimiser, _ in self.optimisers for k, v in flatten_optimiser(optimiser, self.names).items()}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Undo `state`."""
        for optimiser, _ in self.optimisers:
            own = {p: self.names[p] for group in optimiser.param_groups for p in group["params"]}
            restore_optimiser(optimiser, own, tensors)

    def _refuse_nonsense(self, values: Mapping[str, Tensor], number: int) -> None:
        numbers = torch.stack([value.detach().float() for value in values.values()]).tolist()  # one wait for the device
        bad = {name: number for name, number in zip(values, numbers, strict=True) if not math.isfinite(number)}
        if self.team.any(bool(bad)):
            got = (
                " = ".join(map(str, next(iter(bad.items())))) if bad else "a loss of another process that is not finite"
            )
            raise TrainingDiverged(f"step {number}", got, "finite losses; try a lower optimiser.learning_rate")


def conditioner_spec(vocabulary: tuple[int, ...], width: int) -> ConditionerSpec:
    """The conditioner of the slots, colour vector and sentence embedding of this version of packshot."""
    return ConditionerSpec(vocabulary, COLOUR_FEATURES, TEXT_FEATURES, width)


def start_from(network: nn.Module, loop: LoopRecipe, team: Team) -> None:
    """Load the moving average of a run or the weights of a pack, where `loop.init_from` names one; freeze weights.

    A seller's own kinds that are new to it start as the known kinds most like them.

    Raises:
        InputError: there is neither, or a run's file is damaged.
        PackError: the pack is damaged.
        RecipeError: tensors have other names or shapes, or an entry of `loop.freeze` names no weight.
    """
    if loop.init_from and is_pack(loop.init_from):
        load_pack(network, loop.init_from)
    elif loop.init_from:
        load_average(network, Path(loop.init_from))
    conditioner = getattr(network, "conditioner", None)
    if loop.init_from and isinstance(conditioner, Conditioner):
        for stranger, like in introduce(conditioner, loop.init_from).items():
            if team.leads:
                print(f"{stranger}, new to {loop.init_from}, starts as {like}", file=sys.stderr)
    named = dict(network.named_parameters())
    for beginning in loop.freeze:
        chosen = [parameter for name, parameter in named.items() if name.startswith(beginning)]
        if not chosen:
            raise RecipeError(
                "loop.freeze", f"'{beginning}'", f"the beginning of a weight's name, such as {next(iter(named))}"
            )
        for parameter in chosen:
            parameter.requires_grad_(False)


def compiled(function: Wrapped, recipe: Recipe) -> Wrapped:
    """The function through torch.compile, where the recipe wants it."""
    return cast(Wrapped, torch.compile(function)) if recipe.loop.compile else function


def precision(recipe: Recipe, team: Team) -> torch.autocast:
    """The autocast context of the recipe."""
    return mixed_precision(team.device, recipe.loop.precision)


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under longer names."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those tensors whose names begin so, under shorter names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def synchronised(networks: Iterable[nn.Module], team: Team) -> None:
    """Give every process the weights of rank 0."""
    for network in networks:
        team.broadcast(network.state_dict().values())
