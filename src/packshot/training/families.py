"""The table of families: which data a recipe trains on, and who trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from packshot.errors import RecipeError
from packshot.training.cutouts import Cutouts, load_cutouts
from packshot.training.data import Catalogue, load_catalogue
from packshot.training.distributed import Team
from packshot.training.fine_pictures import FinePictures, load_fine_pictures
from packshot.training.flow_trainer import FlowTrainer
from packshot.training.gan_trainer import GanTrainer
from packshot.training.ladd_trainer import LaddTrainer
from packshot.training.matting_trainer import MattingTrainer
from packshot.training.recipe import Recipe
from packshot.training.sections import CompositesRecipe, FinePicturesRecipe, MattingNetworkRecipe, UpscalerNetworkRecipe
from packshot.training.trainer import Trainer
from packshot.training.upscaler_trainer import UpscalerTrainer
from packshot.training.vae_trainer import VaeTrainer

TrainingData = Catalogue | FinePictures | Cutouts


def load_data(folder: Path, recipe: Recipe, device: torch.device) -> TrainingData:
    """What the recipe's family trains on, in the device's memory; errors as in the function that loads it."""
    return _loaded(folder, recipe, device).to(device)


def _loaded(folder: Path, recipe: Recipe, device: torch.device) -> TrainingData:
    if isinstance(recipe.data, FinePicturesRecipe):
        return load_fine_pictures(folder, recipe, device)
    if isinstance(recipe.data, CompositesRecipe):
        return load_cutouts(folder, recipe.data)
    assert not isinstance(recipe.network, UpscalerNetworkRecipe | MattingNetworkRecipe)
    return load_catalogue(folder, recipe.data, recipe.network.vocabulary)


def build_trainer(recipe: Recipe, data: TrainingData, generator: torch.Generator, team: Team) -> Trainer:
    """The trainer of the recipe's family.

    Raises:
        RecipeError: the batch cannot be shared out among the processes, or `loop.init_from` does not fit.
        InputError: `loop.init_from` cannot be read.
    """
    if recipe.loop.batch % team.size:
        raise RecipeError("loop.batch", recipe.loop.batch, f"a multiple of the {team.size} processes")
    if isinstance(data, FinePictures):
        return UpscalerTrainer(recipe, data, generator, team)
    if isinstance(data, Cutouts):
        return MattingTrainer(recipe, data, generator, team)
    kinds: dict[str, Callable[[Recipe, Catalogue, torch.Generator, Team], Trainer]] = {
        "flow": FlowTrainer,
        "ladd": LaddTrainer,
        "gan": GanTrainer,
        "vae": VaeTrainer,
    }
    return kinds[recipe.family](recipe, data, generator, team)
