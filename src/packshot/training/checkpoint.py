"""Checkpoints: safetensors and JSON, never pickle. Each is a folder that gets its name when it is complete.

`out/checkpoints/step-00001200/` holds `{model,ema,optimiser,generators}.safetensors`, `state.json` and `recipe.toml`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from packshot.errors import InputError, OutputError, RecipeError
from packshot.training.recipe import Recipe, load_recipe

FOLDER = "checkpoints"
PARTIAL = ".partial"
PARTS = ("model", "ema", "optimiser", "generators")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything a run needs to go on as if it had never stopped.

    Attributes:
        parts: tensors by file (`PARTS`) and name.
        state: plain values: step, minutes, fingerprint of the data.
    """

    parts: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]


def save_checkpoint(out: Path, checkpoint: Checkpoint, recipe: Recipe) -> Path:
    """Write a checkpoint, then drop older ones.

    Returns:
        Its folder.

    Raises:
        OutputError: it cannot be written; earlier checkpoints stay.
    """
    final = out / FOLDER / f"step-{checkpoint.state['step']:08d}"
    partial = final.with_name(final.name + PARTIAL)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, tensors in checkpoint.parts.items():
            plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
            (partial / f"{name}.safetensors").write_bytes(save(plain))
        (partial / "state.json").write_text(json.dumps(dict(checkpoint.state), indent=1) + "\n", encoding="utf-8")
        (partial / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise OutputError(final, error.strerror or "a failed write", "a writable folder with enough room") from None
    for older in _complete(out):
        if older != final:
            shutil.rmtree(older, ignore_errors=True)
    return final


def latest_checkpoint(out: Path) -> Path | None:
    """The folder of the newest complete checkpoint of a run, or None."""
    found = _complete(out)
    return found[-1] if found else None


def read_checkpoint(folder: Path, *, device: torch.device) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        InputError: a file is missing or damaged.
    """
    try:
        state = read_state(folder)
        parts = {name: load_file(folder / f"{name}.safetensors", device=str(device)) for name in PARTS}
    except (OSError, ValueError, SafetensorError) as error:
        accepted = "a whole checkpoint; remove this folder to start again"
        raise InputError(folder, str(error).splitlines()[0], accepted) from None
    return Checkpoint(parts, state)


def read_state(folder: Path) -> dict[str, Any]:
    """The plain values of a checkpoint: step, minutes and so on.

    Raises:
        InputError: they are missing or damaged.
    """
    path = folder / "state.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(
            path, str(error).splitlines()[0], "a whole checkpoint; remove this folder to start again"
        ) from None


def read_recipe(folder: Path) -> Recipe:
    """The resolved recipe that a checkpoint was trained by; errors as in `load_recipe`."""
    return load_recipe(folder / "recipe.toml")


def find_average(place: Path) -> Path:
    """The file with the moving average under a path: a run's folder, a checkpoint's folder, or the file itself.

    Raises:
        InputError: there is none.
    """
    newest = latest_checkpoint(place)
    for candidate in (newest / "ema.safetensors" if newest else None, place / "ema.safetensors", place):
        if candidate is not None and candidate.is_file():
            return candidate
    raise InputError(place, "no ema.safetensors", "a run's folder, a checkpoint's folder or a safetensors file")


def read_run_recipe(place: Path) -> Recipe:
    """The recipe of a run's or a checkpoint's folder.

    Raises:
        InputError: there is none, or no moving average beside it.
        RecipeError: it is damaged.
    """
    for folder in (find_average(place).parent, place):
        if (folder / "recipe.toml").is_file():
            return load_recipe(folder / "recipe.toml")
    raise InputError(place, "no recipe.toml", "a folder that `packshot train` made")


def load_average(network: nn.Module, place: Path) -> None:
    """Load a moving average into a network of the same sizes.

    Args:
        network: is changed in place.
        place: as in `find_average`.

    Raises:
        InputError: there is no readable file.
        RecipeError: its tensors have other names or shapes.
    """
    file = find_average(place)
    _load(network, file, "")


def load_model_part(network: nn.Module, place: Path, prefix: str) -> bool:
    """Load one of several networks of a run from its newest weights, where they lie beside the moving average.

    Args:
        network: is changed in place, or left alone.
        place: as in `find_average`.
        prefix: of the network's tensors.

    Returns:
        Whether there were any.

    Raises:
        InputError: the file is damaged.
        RecipeError: its tensors have other names or shapes.
    """
    file = find_average(place).with_name("model.safetensors")
    if not file.is_file():
        return False
    _load(network, file, prefix)
    return True


def _load(network: nn.Module, file: Path, prefix: str) -> None:
    try:
        found = load_file(file)
    except (OSError, SafetensorError) as error:
        raise InputError(file, str(error).splitlines()[0], "a safetensors file") from None
    tensors = {name.removeprefix(prefix): tensor for name, tensor in found.items() if name.startswith(prefix)}
    own = network.state_dict()
    for name in sorted(own.keys() | tensors.keys()):
        ours, theirs = (list(t[name].shape) if name in t else "no such tensor" for t in (own, tensors))
        if ours != theirs:
            raise RecipeError(file, f"{prefix}{name}: {theirs}", f"{ours}, as the recipe's network has")
    network.load_state_dict(tensors)


def flatten_optimiser(optimiser: torch.optim.Optimizer, names: Mapping[nn.Parameter, str]) -> dict[str, Tensor]:
    """The optimiser's moments and counters as tensors called `parameter/key`."""
    return {
        f"{names[cast(nn.Parameter, parameter)]}/{key}": torch.as_tensor(value)
        for parameter, state in optimiser.state.items()
        for key, value in state.items()
    }


def restore_optimiser(
    optimiser: torch.optim.Optimizer, names: Mapping[nn.Parameter, str], tensors: Mapping[str, Tensor]
) -> None:
    """Undo `flatten_optimiser`; tensors of other parameters are ignored."""
    parameters = {name: parameter for parameter, name in names.items()}
    optimiser.state.clear()
    for full, tensor in tensors.items():
        name, _, key = full.rpartition("/")
        if name in parameters:
            parameter = parameters[name]
            # Fused steps read moments in memory order, so that theirs must be the parameter's (channels last).
            kept = torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor.clone()
            optimiser.state[parameter][key] = kept.detach()


def _complete(out: Path) -> list[Path]:
    folder = out / FOLDER
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.glob("step-*") if p.is_dir() and not p.name.endswith(PARTIAL))
