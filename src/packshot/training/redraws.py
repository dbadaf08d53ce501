"""Real pictures as a trained flow draws them again: what an upscaler will have to finish, with the truth beside it.

A picture is covered with noise up to a time and followed back to a clean one (SDEdit; Meng et al. 2022): its outline
stays, its surfaces become the flow's own. Cascades train their later stages on inputs spoilt like this, since they
otherwise meet at run time what they never saw (conditioning augmentation; Ho et al. 2022, section 4.3).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from packshot.errors import RecipeError
from packshot.shards import ShardRow
from packshot.training.checkpoint import find_average, load_average, read_run_recipe
from packshot.training.data import condition_of, write_cache
from packshot.training.flow_trainer import flow_spec
from packshot.training.networks.flow import FlowTransformer
from packshot.training.objectives.upscale import reduced
from packshot.training.precision import mixed_precision
from packshot.training.sections import FinePicturesRecipe, FlowNetworkRecipe

AT_ONCE = 64
SEED = 7
GUIDED_UNTIL = 0.45
"""Guidance decides the outline; later it only raises contrast."""


def redrawn(
    pictures: Tensor, rows: Sequence[ShardRow], recipe: FinePicturesRecipe, folder: Path, variants: int
) -> Tensor:
    """Draw pictures again, or take them from the cache beside the shards.

    Args:
        pictures: (N, 3, F, F) uint8.
        rows: the same products, for what is known of them.
        recipe: run, times, steps and guidance.
        folder: of the shards.
        variants: how often each is drawn.

    Returns:
        (N, variants, 3, F/4, F/4) uint8.

    Raises:
        InputError: there is no readable run in `redraw_with`.
        RecipeError: it is no flow, or one of another resolution.
        OutputError: the cache cannot be written.
    """
    run = Path(recipe.redraw_with)
    file = find_average(run)
    settings = (recipe.redraw_times, recipe.redraw_steps, recipe.redraw_guidance, variants, SEED)
    digest = hashlib.sha256(repr(settings).encode() + file.read_bytes() + pictures.numpy().tobytes())
    cache = folder / f"redrawn-{digest.hexdigest()[:16]}.npz"
    try:
        with np.load(cache, allow_pickle=False) as found:
            return torch.from_numpy(found["pictures"])
    except (OSError, ValueError, KeyError):
        pass  # no cache yet, or a damaged one: it is only a cache
    again = _draw_all(_network(run, pictures.shape[-1] // 4), pictures, rows, recipe, variants)
    buffer = io.BytesIO()
    np.savez(buffer, pictures=again.numpy())
    write_cache(cache, buffer.getvalue())
    return again


def _network(run: Path, resolution: int) -> FlowTransformer:
    recipe = read_run_recipe(run)
    if not isinstance(recipe.network, FlowNetworkRecipe):
        raise RecipeError("data.redraw_with", f"a run of the family '{recipe.family}'", "a run of the family 'flow'")
    if recipe.data.resolution != resolution:
        accepted = f"{resolution} px, a fourth of data.resolution"
        raise RecipeError("data.redraw_with", f"a flow of {recipe.data.resolution} px", accepted)
    network = FlowTransformer(flow_spec(recipe))
    load_average(network, run)
    return network.eval()


@torch.no_grad()
def _draw_all(
    network: FlowTransformer, pictures: Tensor, rows: Sequence[ShardRow], recipe: FinePicturesRecipe, variants: int
) -> Tensor:
    slots, colours = (torch.from_numpy(np.stack(part)) for part in zip(*map(condition_of, rows), strict=True))
    text = torch.zeros(len(rows), network.spec.conditioner.text_features)
    side = pictures.shape[-1] // 4
    again = torch.empty(len(rows), variants, 3, side, side, dtype=torch.uint8)
    random = torch.Generator().manual_seed(SEED)
    low, high = recipe.redraw_times
    for some in torch.split(torch.arange(len(rows)), AT_ONCE):
        small = reduced(pictures[some].float() / 127.5 - 1)
        told = network.encode(slots[some], colours[some], text[some])
        untold = network.encode(slots[some] * 0, colours[some] * 0, text[some])
        for variant in range(variants):
            start = low + (high - low) * torch.rand(1, generator=random).item()
            noise = torch.randn(small.shape, generator=random)
            clean = _follow(network, start * small + (1 - start) * noise, start, (told, untold), recipe)
            again[some, variant] = ((clean + 1) * 127.5).round().byte()
    return again


def _follow(
    network: FlowTransformer, x: Tensor, start: float, conditions: tuple[Tensor, Tensor], recipe: FinePicturesRecipe
) -> Tensor:
    """Euler steps from `start` to a clean picture in [-1, 1]."""
    told, untold = conditions
    clean = x
    for index in range(recipe.redraw_steps):
        now, after = (start + (1 - start) * (index + k) / recipe.redraw_steps for k in (0, 1))
        time = torch.full((len(x),), now)
        with mixed_precision(torch.device("cpu")):
            clean = network(x, time, told).float()
            if now < GUIDED_UNTIL and recipe.redraw_guidance != 1:
                plain = network(x, time, untold).float()
                clean = plain + recipe.redraw_guidance * (clean - plain)
        clean = clean.clamp(-1, 1)
        x = x + (after - now) * (clean - x) / (1 - now)
    return clean
