"""Shards -> fine pictures in memory for the upscaler, and the one place where its training draws from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from packshot.errors import InputError, RecipeError
from packshot.images import open_picture
from packshot.shards import ShardRow, read_shards
from packshot.training.redraws import redrawn
from packshot.training.sections import FinePicturesRecipe


@dataclass(frozen=True, slots=True)
class FinePictures:
    """All fine pictures of a dataset, on the CPU; one of 256 px takes 192 KiB.

    Attributes:
        pictures: (N, 3, F, F) uint8 of the split `train`.
        redrawn: (N, K, 3, F/4, F/4) uint8: each as a flow redraws it, K times; None where the recipe wants none.
        held_out: (M, 3, F, F) uint8 of the split `test`.
        held_out_redrawn: (M, 3, F/4, F/4) uint8, or None.
        fingerprint: sha256 of ids, encoded pictures and redrawn ones.
    """

    pictures: Tensor
    redrawn: Tensor | None
    held_out: Tensor
    held_out_redrawn: Tensor | None
    fingerprint: str

    def facts(self) -> dict[str, Any]:
        """Nothing: an upscaler enlarges every kind of product."""
        return {}


@dataclass(frozen=True, slots=True)
class Crops:
    """What one step sees.

    Attributes:
        fine: (count, 3, 4 crop, 4 crop) float in [-1, 1].
        redrawn: (count, 3, crop, crop) float in [-1, 1], the same places; None where there are none.
    """

    fine: Tensor
    redrawn: Tensor | None


def load_fine_pictures(folder: Path, recipe: FinePicturesRecipe) -> FinePictures:
    """Read the fine pictures of both splits; rows without one are passed over.

    Args:
        folder: made by `packshot data prepare`.
        recipe: the resolution that they must have, and what redraws them.

    Raises:
        InputError: the shards cannot be read, a split has no fine picture, or there is no run in `redraw_with`.
        RecipeError: another resolution than the recipe's, or than that of the flow in `redraw_with`.
        OutputError: redrawn pictures cannot be written beside the shards.
    """
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
    train, test = (_decoded(rows[split], recipe.resolution, folder) for split in ("train", "test"))
    if not recipe.redraw_with:
        return FinePictures(train, None, test, None, digest.hexdigest())
    again, held_out_again = (
        redrawn(pictures, rows[split], recipe, folder, variants)
        for split, pictures, variants in (("train", train, recipe.redraw_variants), ("test", test, 1))
    )
    digest.update(again.numpy().data)
    return FinePictures(train, again, test, held_out_again[:, 0], digest.hexdigest())


def draw_crops(data: FinePictures, count: int, recipe: FinePicturesRecipe, generator: torch.Generator) -> Crops:
    """Draw square crops, each of a picture and at a place of its own, at offsets that are multiples of 4.

    Args:
        data: where from.
        count: of crops; drawn with replacement.
        recipe: side of a crop and share that is mirrored.
        generator: on the CPU; the only source of randomness.
    """
    side = recipe.crop
    places = data.pictures.shape[-1] // 4 - side + 1
    rows = torch.randint(0, len(data.pictures), (count,), generator=generator)
    offsets = torch.randint(0, places, (count, 2), generator=generator)
    mirrored = torch.rand(count, generator=generator) < recipe.flip
    fine = _cut(data.pictures, rows.tolist(), (offsets * 4).tolist(), side * 4)
    if data.redrawn is None:
        return Crops(_floats(list(fine), mirrored), None)
    variants = torch.randint(0, data.redrawn.shape[1], (count,), generator=generator)
    flat = data.redrawn.flatten(0, 1)
    small = _cut(flat, (rows * data.redrawn.shape[1] + variants).tolist(), offsets.tolist(), side)
    return Crops(_floats(list(fine), mirrored), _floats(list(small), mirrored))


def _floats(crops: list[Tensor], mirrored: Tensor) -> Tensor:
    stacked = torch.stack(crops)
    return torch.where(mirrored.view(-1, 1, 1, 1), stacked.flip(3), stacked).float() / 127.5 - 1


def _cut(pictures: Tensor, rows: Sequence[int], offsets: Sequence[Sequence[int]], side: int) -> Iterator[Tensor]:
    for row, (top, left) in zip(rows, offsets, strict=True):
        yield pictures[row, :, top : top + side, left : left + side]


def _decoded(rows: Sequence[ShardRow], resolution: int, folder: Path) -> Tensor:
    stacked = torch.empty(len(rows), 3, resolution, resolution, dtype=torch.uint8)
    for place, row in zip(stacked, rows, strict=True):
        assert row.fine_picture is not None
        pixels = open_picture(row.fine_picture, where=f"{folder}: fine picture of {row.id}")
        if pixels.shape[:2] != (resolution, resolution):
            raise RecipeError("data.resolution", resolution, f"{pixels.shape[0]}, as the fine pictures of {folder} are")
        place.copy_(torch.from_numpy(pixels).permute(2, 0, 1))
    return stacked
