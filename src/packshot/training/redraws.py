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
from zipfile import BadZipFile

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

AT_ONCE = {"cuda": 512}
"""Pictures that suit a kind of device; others get `FEW`."""
FEW = 64
SEED = 7
GUIDED_UNTIL = 0.45
"""Guidance decides the outline; later it only raises contrast."""


def redrawn(
    pictures: Tensor,
    rows: Sequence[ShardRow],
    recipe: FinePicturesRecipe,
    folder: Path,
    *,
    factor: int,
    variants: int,
    device: torch.device,
) -> Tensor:
    """Draw pictures again, or take them from the cache beside the shards.

    Args:
        pictures: (N, 3, F, F) uint8, on the CPU.
        rows: the same products, for what is known of them.
        recipe: run, times, steps and guidance.
        folder: of the shards.
        factor: how much smaller they are drawn.
        variants: how often each is drawn.
        device: that draws.

    Returns:
        (N, variants, 3, F / factor, F / factor) uint8, on the CPU.

    Raises:
        InputError: there is no readable run in `redraw_with`.
        RecipeError: it is no flow, or one of another resolution.
        OutputError: the cache cannot be written.
    """
    run = Path(recipe.redraw_with)
    file = find_average(run)
    settings = (recipe.redraw_times, recipe.redraw_steps, recipe.redraw_guidance, factor, variants, SEED)
    digest = hashlib.sha256(repr(settings).encode() + file.read_bytes() + pictures.numpy().tobytes())
    cache = folder / f"redrawn-{digest.hexdigest()[:16]}.npz"
    try:
        with cache.open("rb") as kept, np.load(kept, allow_pickle=False) as found:
            return torch.from_numpy(found["pictures"])
    except (OSError, ValueError, KeyError, BadZipFile):
        pass  # no cache yet, or a damaged one: it is only a cache
    network = _network(run, pictures.shape[-1] // factor).to(device)
    again = torch.stack(_draw_all(network, pictures, rows, recipe, factor=factor, variants=variants), dim=1)
    buffer = io.BytesIO()
    np.savez(buffer, pictures=again.numpy())
    write_cache(cache, buffer.getvalue())
    return again


def _network(run: Path, resolution: int) -> FlowTransformer:
    recipe = read_run_recipe(run)
    if not isinstance(recipe.network, FlowNetworkRecipe):
        raise RecipeError("data.redraw_with", f"a run of the family '{recipe.family}'", "a run of the family 'flow'")
    if recipe.data.resolution != resolution:
        accepted = f"{resolution} px, data.resolution over network.factor"
        raise RecipeError("data.redraw_with", f"a flow of {recipe.data.resolution} px", accepted)
    network = FlowTransformer(flow_spec(recipe))
    load_average(network, run)
    return network.eval()


@torch.no_grad()
def _draw_all(
    network: FlowTransformer,
    pictures: Tensor,
    rows: Sequence[ShardRow],
    recipe: FinePicturesRecipe,
    *,
    factor: int,
    variants: int,
) -> list[Tensor]:
    """(N, 3, S, S) uint8 of each variant. What is random is drawn on the CPU, in an order that no device changes."""
    device = next(network.parameters()).device
    slots, colours = (torch.from_numpy(np.stack(part)) for part in zip(*map(condition_of, rows), strict=True))
    text = torch.zeros(len(rows), network.spec.conditioner.text_features)
    random = torch.Generator().manual_seed(SEED)
    low, high = recipe.redraw_times
    again: list[Tensor] = []
    for _ in range(variants):
        starts = low + (high - low) * torch.rand(len(rows), generator=random)
        drawn: list[Tensor] = []
        for some in torch.split(torch.arange(len(rows)), AT_ONCE.get(device.type, FEW)):
            small = reduced(pictures[some].to(device).float() / 127.5 - 1, factor)
            noise = torch.randn(small.shape, generator=random).to(device)
            said = [part[some].to(device) for part in (slots, colours, text)]
            told, untold = network.encode(*said), network.encode(*(part * 0 for part in said))
            clean = _follow(network, (small, noise), starts[some], (told, untold), recipe)
            drawn.append(((clean + 1) * 127.5).round().byte().cpu())
        again.append(torch.cat(drawn))
    return again


def _follow(
    network: FlowTransformer,
    ends: tuple[Tensor, Tensor],
    starts: Tensor,
    conditions: tuple[Tensor, Tensor],
    recipe: FinePicturesRecipe,
) -> Tensor:
    """Euler steps to clean pictures in [-1, 1].

    Args:
        network: the flow.
        ends: the pictures (n, 3, S, S) that are covered, and the noise.
        starts: (n,) times from which they are followed, on the CPU, so that asking whom to guide waits for no device.
        conditions: what is said of them, and silence.
        recipe: steps and guidance.
    """
    (clean, noise), (told, untold), scale = ends, conditions, recipe.redraw_guidance
    device = clean.device
    x = clean.lerp(noise, _wide(1 - starts, device))
    for index in range(recipe.redraw_steps):
        now, after = (starts + (1 - starts) * (index + k) / recipe.redraw_steps for k in (0, 1))
        guided = torch.nonzero(now < GUIDED_UNTIL)[:, 0] if scale != 1 else starts[:0].long()
        time = now.to(device)
        with mixed_precision(device):
            clean = network(x, time, told).float()
            if len(guided):
                some = guided.to(device)
                plain = network(x[some], time[some], untold[some]).float()
                clean[some] = plain + scale * (clean[some] - plain)
        clean = clean.clamp(-1, 1)
        x = x + _wide((after - now) / (1 - now), device) * (clean - x)
    return clean


def _wide(times: Tensor, device: torch.device) -> Tensor:
    return times.view(-1, 1, 1, 1).to(device)
