"""Shards -> fine pictures in memory for the upscaler, and the one place where its training draws from them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from packshot.errors import InputError, RecipeError
from packshot.images import open_picture
from packshot.shards import ShardRow, read_shards
from packshot.training.recipe import Recipe
from packshot.training.redraws import redrawn
from packshot.training.sections import FinePicturesRecipe, UpscalerNetworkRecipe


@dataclass(frozen=True, slots=True)
class FinePictures:
    """All fine pictures of a dataset, on one device; one of 256 px takes 192 KiB.

    Attributes:
        pictures: (N, 3, F, F) uint8 of the split `train`.
        redrawn: (N, K, 3, S, S) uint8: each as a flow redraws it, K times; None where the recipe wants none.
        held_out: (M, 3, F, F) uint8 of the split `test`.
        held_out_redrawn: (M, 3, S, S) uint8, or None.
        fingerprint: sha256 of ids, encoded pictures and redrawn ones.
        factor: F / S, how much the upscaler enlarges.
    """

    pictures: Tensor
    redrawn: Tensor | None
    held_out: Tensor
    held_out_redrawn: Tensor | None
    fingerprint: str
    factor: int

    def to(self, device: torch.device) -> FinePictures:
        """The same elsewhere."""
        names = ("pictures", "redrawn", "held_out", "held_out_redrawn")
        parts = {name: part.to(device) for name in names if (part := getattr(self, name)) is not None}
        return replace(self, **parts)

    def facts(self) -> dict[str, Any]:
        """Nothing: an upscaler enlarges every kind of product."""
        return {}


@dataclass(frozen=True, slots=True)
class Crops:
    """What one step sees.

    Attributes:
        fine: (count, 3, F crop, F crop) float in [-1, 1]; F the factor.
        redrawn: (count, 3, crop, crop) float in [-1, 1], the same places; None where there are none.
    """

    fine: Tensor
    redrawn: Tensor | None


def load_fine_pictures(folder: Path, recipe: Recipe, device: torch.device) -> FinePictures:
    """Read the fine pictures of both splits into the CPU's memory; rows without one are passed over.

    Args:
        folder: made by `packshot data prepare`.
        recipe: of an upscaler: the resolution that they must have, the factor, and what redraws them.
        device: where they are redrawn.

    Raises:
        InputError: the shards cannot be read, a split has no fine picture, or there is no run in `redraw_with`.
        RecipeError: another resolution than the recipe's, or than that of the flow in `redraw_with`.
        OutputError: redrawn pictures cannot be written beside the shards.
    """
    assert isinstance(recipe.data, FinePicturesRecipe) and isinstance(recipe.network, UpscalerNetworkRecipe)
    wish, factor = recipe.data, recipe.network.factor
    rows, digest = _encoded(folder)
    train, test = (_decoded(rows[split], wish.resolution, folder) for split in ("train", "test"))
    if not wish.redraw_with:
        return FinePictures(train, None, test, None, digest.hexdigest(), factor)
    again, held_out_again = (
        redrawn(pictures, rows[split], wish, folder, factor=factor, variants=variants, device=device)
        for split, pictures, variants in (("train", train, wish.redraw_variants), ("test", test, 1))
    )
    digest.update(again.numpy().data)
    return FinePictures(train, again, test, held_out_again[:, 0], digest.hexdigest(), factor)


def _encoded(folder: Path) -> tuple[dict[str, list[ShardRow]], hashlib._Hash]:
    """Rows with a fine picture by split, and the sha256 of their ids and pictures."""
    # Encoded first: their number is known only at the end, and stacking decoded ones would need twice the memory.
    rows: dict[str, list[ShardRow]] = {"train": [], "test": []}
    digest = hashlib.sha256()
    for row in read_shards(folder):
        if row.fine_picture is not None:
            rows[row.split].append(row)
            digest.update(row.id.encode() + b"\n" + row.fine_picture)
    for split, some in rows.items():
        if not some:
            accepted = "shards prepared from pictures that are large enough to keep fine ones"
            raise InputError(folder, f"no fine pictures in the split '{split}'", accepted)
    return rows, digest


def draw_crops(data: FinePictures, count: int, recipe: FinePicturesRecipe, generator: torch.Generator) -> Crops:
    """Draw square crops, each of a picture and at a place of its own, which is whole in the small picture too.

    Args:
        data: where from.
        count: of crops; drawn with replacement.
        recipe: side of a crop and share that is mirrored.
        generator: on the data's device; the only source of randomness.
    """
    side, factor, device = recipe.crop, data.factor, generator.device
    places = data.pictures.shape[-1] // factor - side + 1
    rows = torch.randint(0, len(data.pictures), (count,), generator=generator, device=device)
    offsets = torch.randint(0, places, (count, 2), generator=generator, device=device)
    mirrored = torch.rand(count, generator=generator, device=device) < recipe.flip
    fine = _cut(data.pictures, rows, offsets * factor, mirrored, side * factor)
    if data.redrawn is None:
        return Crops(fine, None)
    variants = data.redrawn.shape[1]
    chosen = rows * variants + torch.randint(0, variants, (count,), generator=generator, device=device)
    return Crops(fine, _cut(data.redrawn.flatten(0, 1), chosen, offsets, mirrored, side))


def _cut(pictures: Tensor, rows: Tensor, offsets: Tensor, mirrored: Tensor, side: int) -> Tensor:
    """Crops (K, 3, side, side) in [-1, 1] of the pictures `rows` (K,), from `offsets` (K, 2) down and right on."""
    along = torch.arange(side, device=pictures.device)
    down = offsets[:, :1] + along
    right = offsets[:, 1:] + torch.where(mirrored[:, None], along.flip(0), along)
    channels = torch.arange(pictures.shape[1], device=pictures.device)[:, None, None]
    crops = pictures[rows[:, None, None, None], channels, down[:, None, :, None], right[:, None, None, :]]
    return crops.float() / 127.5 - 1


def _decoded(rows: Sequence[ShardRow], resolution: int, folder: Path) -> Tensor:
    stacked = torch.empty(len(rows), 3, resolution, resolution, dtype=torch.uint8)
    for place, row in zip(stacked, rows, strict=True):
        assert row.fine_picture is not None
        pixels = open_picture(row.fine_picture, where=f"{folder}: fine picture of {row.id}")
        if pixels.shape[:2] != (resolution, resolution):
            raise RecipeError("data.resolution", resolution, f"{pixels.shape[0]}, as the fine pictures of {folder} are")
        place.copy_(torch.from_numpy(pixels).permute(2, 0, 1))
    return stacked
