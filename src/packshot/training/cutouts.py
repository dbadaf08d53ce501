"""Shards and photos with masks -> what composites are made of: cut-outs of products, backgrounds, real photos.

A product on white gives its coverage nearly free (`packshot.matte`). Real photos come as a folder of pairs, NAME.jpg
with NAME.png (grey, the coverage): they are learnt from as they are, their product is a cut-out too, and what lies
beside it is a background.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from packshot.errors import InputError
from packshot.images import open_picture
from packshot.matte import cut_out, eroded
from packshot.shards import ShardRow, read_shards
from packshot.training.data import write_cache
from packshot.training.sections import CompositesRecipe

_BAGS = ("handbag", "clutch", "backpack", "travel_bag")
_JEWELLERY = ("bracelet", "necklace", "earrings", "ring", "cufflinks", "watch")
_OPEN_SHOES = ("heels", "sandals", "flats", "flip_flops")
SEE_THROUGH = frozenset((*_BAGS, *_JEWELLERY, *_OPEN_SHOES, "belt", "sunglasses"))
"""Kinds in which enclosed white is mostly background: the loop of a handle, the gap under a strap."""
WHITE_RIM = 0.3
"""Products whose rim is nearly white to a larger share give no mask that one could trust."""
SMALLEST_PRODUCT = 0.02
"""Share of the picture that a product covers at the least."""
SMALLEST_BACKGROUND = 0.2
"""Side of a usable patch of background over the photo's short side."""
HELD_OUT_OF_TEN = 2
"""Real photos of ten that are kept for measuring."""


@dataclass(frozen=True, slots=True)
class Cutouts:
    """Everything at the recipe's resolution R, on one device.

    Attributes:
        products: (N, 4, R, R) uint8, straight alpha, of the split `train`.
        held_out: (M, 4, R, R) uint8 of the split `test`.
        photos: (P, 4, R, R) uint8: real photos with their coverage.
        held_out_photos: (Q, 4, R, R) uint8.
        backgrounds: (B, 3, R, R) uint8: patches of real photos without a product.
        fingerprint: sha256 of all of them.
    """

    products: Tensor
    held_out: Tensor
    photos: Tensor
    held_out_photos: Tensor
    backgrounds: Tensor
    fingerprint: str

    def to(self, device: torch.device) -> Cutouts:
        """The same elsewhere."""
        tensors = ("products", "held_out", "photos", "held_out_photos", "backgrounds")
        return replace(self, **{name: getattr(self, name).to(device) for name in tensors})

    def facts(self) -> dict[str, Any]:
        """Nothing: a cut-out network knows no kinds of product."""
        return {}


def load_cutouts(folder: Path, recipe: CompositesRecipe) -> Cutouts:
    """Read and cut out what the recipe asks for.

    Raises:
        InputError: shards or photos cannot be read, or a split gives no cut-out.
        OutputError: the cache of cut-outs cannot be written.
    """
    products = {split: _products(folder, split, recipe) for split in ("train", "test")}
    photos: dict[str, list[Tensor]] = {"train": [], "test": []}
    backgrounds: list[Tensor] = []
    for name, rgba in _pairs(Path(recipe.photos)) if recipe.photos else ():
        held = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 10 < HELD_OUT_OF_TEN
        photos["test" if held else "train"].append(_resized(rgba, recipe.resolution))
        if not held:
            backgrounds += [_resized(patch, recipe.resolution) for patch in patches_beside(rgba)]
    side = recipe.resolution
    parts = [
        torch.stack(part) if part else torch.empty(0, channels, side, side, dtype=torch.uint8)
        for part, channels in ((photos["train"], 4), (photos["test"], 4), (backgrounds, 3))
    ]
    digest = hashlib.sha256()
    for tensor in (*products.values(), *parts):
        digest.update(tensor.numpy().data)
    return Cutouts(products["train"], products["test"], parts[0], parts[1], parts[2], digest.hexdigest())


def _products(folder: Path, split: str, recipe: CompositesRecipe) -> Tensor:
    """Cut-outs of a split, made or taken from the cache beside the shards."""
    limit = recipe.products if split == "train" else max(8, recipe.products // 10)
    rows = sorted(_fine_rows(folder, split), key=lambda row: hashlib.sha256(row.id.encode()).digest())
    digest = hashlib.sha256(repr((limit, recipe.resolution, WHITE_RIM)).encode())
    for row in rows:
        digest.update(row.id.encode())
    cache = folder / f"cutouts-{digest.hexdigest()[:16]}.npz"
    try:
        with cache.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return torch.from_numpy(kept["products"])
    except (OSError, ValueError, KeyError, BadZipFile):
        pass  # no cache yet, or a damaged one: it is only a cache
    found: list[Tensor] = []
    for row in rows:
        assert row.fine_picture is not None
        pixels = open_picture(row.fine_picture, where=f"{folder}: fine picture of {row.id}")
        rgba = cut_out(pixels, see_through=row.slots.get("category") in SEE_THROUGH)
        solid = rgba[..., 3] == 255
        rim = solid & ~eroded(solid, 3)
        if solid.mean() >= SMALLEST_PRODUCT and (rgba[rim][:, :3].min(1) > 235).mean() <= WHITE_RIM:
            found.append(_resized(rgba, recipe.resolution))
        if len(found) == limit:
            break
    if not found:
        raise InputError(folder, f"no product on white in the split '{split}'", "shards with fine pictures")
    products, buffer = torch.stack(found), io.BytesIO()
    np.savez(buffer, products=products.numpy())
    write_cache(cache, buffer.getvalue())
    return products


def _fine_rows(folder: Path, split: str) -> Iterator[ShardRow]:
    return (row for row in read_shards(folder) if row.fine_picture is not None and row.split == split)


def _pairs(folder: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    names = sorted(path.stem for path in folder.glob("*.png"))
    if not names:
        raise InputError(folder, "no masks (*.png)", "a folder of NAME.jpg with NAME.png, the coverage")
    for name in names:
        photo = open_picture(folder / f"{name}.jpg", where=str(folder / f"{name}.jpg"))
        cover = open_picture(folder / f"{name}.png", where=str(folder / f"{name}.png"))[..., 0]
        if cover.shape != photo.shape[:2]:
            raise InputError(
                folder / f"{name}.png", f"{cover.shape[::-1]} pixels", f"{photo.shape[1::-1]} as the photo"
            )
        yield name, np.dstack([photo, cover])


def patches_beside(rgba: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The largest squares above, below, left and right of the product."""
    height, width = rgba.shape[:2]
    rows, columns = (np.flatnonzero((rgba[..., 3] > 12).any(axis)) for axis in (1, 0))
    if not len(rows):
        return [rgba[..., :3]]
    least = SMALLEST_BACKGROUND * min(height, width)
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    bands = [rgba[:top], rgba[bottom:], rgba[:, :left], rgba[:, right:]]
    squares = []
    for band in bands:
        side = min(band.shape[:2])
        if side < least:
            continue
        for start in range(0, max(band.shape[:2]) - side + 1, side):
            cut = band[:, start : start + side] if band.shape[1] > side else band[start : start + side]
            squares.append(np.ascontiguousarray(cut[..., :3]))
    return squares


def _resized(pixels: NDArray[np.uint8], side: int) -> Tensor:
    """(H, W, C) -> (C, side, side), each axis on its own; alpha apart, so that colours do not mix with it."""
    layers = [Image.fromarray(np.ascontiguousarray(pixels[..., :3]))]
    if pixels.shape[2] == 4:
        layers.append(Image.fromarray(np.ascontiguousarray(pixels[..., 3])))
    small = [np.asarray(layer.resize((side, side), Image.Resampling.LANCZOS, reducing_gap=3)) for layer in layers]
    stacked = np.dstack(small)
    return torch.from_numpy(np.ascontiguousarray(stacked.transpose(2, 0, 1)))
