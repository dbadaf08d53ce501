"""Shards -> fine pictures in memory for the upscaler, and the one place where its training draws from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from packshot.errors import InputError, RecipeError
from packshot.images import open_picture
from packshot.shards import read_shards
from packshot.training.sections import FinePicturesRecipe


@dataclass(frozen=True, slots=True)
class FinePictures:
    """All fine pictures of a dataset, on the CPU; one of 256 px takes 192 KiB.

    Attributes:
        pictures: (N, 3, F, F) uint8 of the split `train`.
        held_out: (M, 3, F, F) uint8 of the split `test`.
        fingerprint: sha256 of ids and encoded pictures.
    """

    pictures: Tensor
    held_out: Tensor
    fingerprint: str


def load_fine_pictures(folder: Path, recipe: FinePicturesRecipe) -> FinePictures:
    """Read the fine pictures of both splits; rows without one are passed over.

    Args:
        folder: made by `packshot data prepare`.
        recipe: the resolution that they must have.

    Raises:
        InputError: the shards cannot be read, or a split has no fine picture.
        RecipeError: another resolution than the recipe's.
    """
    # Encoded first: their number is known only at the end, and stacking decoded ones would need twice the memory.
    encoded: dict[str, list[tuple[str, bytes]]] = {"train": [], "test": []}
    digest = hashlib.sha256()
    for row in read_shards(folder):
        if row.fine_picture is not None:
            encoded[row.split].append((row.id, row.fine_picture))
            digest.update(row.id.encode() + b"\n" + row.fine_picture)
    for split, rows in encoded.items():
        if not rows:
            accepted = "shards prepared from pictures that are large enough to keep fine ones"
            raise InputError(folder, f"no fine pictures in the split '{split}'", accepted)
    train, test = (_decoded(encoded[split], recipe.resolution, folder) for split in ("train", "test"))
    return FinePictures(train, test, digest.hexdigest())


def draw_crops(pictures: Tensor, count: int, recipe: FinePicturesRecipe, generator: torch.Generator) -> Tensor:
    """Draw square crops, each of a picture and at a place of its own.

    Args:
        pictures: (N, 3, F, F) uint8.
        count: of crops; drawn with replacement.
        recipe: side of a crop and share that is mirrored.
        generator: on the CPU; the only source of randomness.

    Returns:
        (count, 3, 4 crop, 4 crop) float in [-1, 1], at offsets that are multiples of 4.
    """
    side = 4 * recipe.crop
    places = (pictures.shape[-1] - side) // 4 + 1
    rows = torch.randint(0, len(pictures), (count,), generator=generator)
    offsets = torch.randint(0, places, (count, 2), generator=generator) * 4
    mirrored = torch.rand(count, generator=generator) < recipe.flip
    crops = torch.stack(list(_cut(pictures, rows.tolist(), offsets.tolist(), side)))
    crops = torch.where(mirrored.view(-1, 1, 1, 1), crops.flip(3), crops)
    return crops.float() / 127.5 - 1


def _cut(pictures: Tensor, rows: Sequence[int], offsets: Sequence[Sequence[int]], side: int) -> Iterator[Tensor]:
    for row, (top, left) in zip(rows, offsets, strict=True):
        yield pictures[row, :, top : top + side, left : left + side]


def _decoded(rows: list[tuple[str, bytes]], resolution: int, folder: Path) -> Tensor:
    stacked = torch.empty(len(rows), 3, resolution, resolution, dtype=torch.uint8)
    for place, (name, picture) in zip(stacked, rows, strict=True):
        pixels = open_picture(picture, where=f"{folder}: fine picture of {name}")
        if pixels.shape[:2] != (resolution, resolution):
            raise RecipeError("data.resolution", resolution, f"{pixels.shape[0]}, as the fine pictures of {folder} are")
        place.copy_(torch.from_numpy(pixels).permute(2, 0, 1))
    return stacked
