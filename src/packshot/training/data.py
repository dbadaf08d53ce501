"""Shards -> tensors in memory, and the one place where training draws from them.

Every random draw comes from the generator that is handed in, so that its state is the whole state of sampling.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from packshot.errors import InputError, OutputError, RecipeError
from packshot.lexicon import SLOTS, lexicon
from packshot.lexicon.kinds import own_kinds_as_rows
from packshot.prompt import EMBEDDING_LENGTH, colour_vector_of, embed, slot_index
from packshot.shards import ShardRow, read_shards
from packshot.training.augment import AugmentSpec, draw_transforms, move
from packshot.training.hues import draw_turns, turn_colours, turn_pictures
from packshot.training.sections import DataRecipe

COLOUR_FEATURES, TEXT_FEATURES = 8, EMBEDDING_LENGTH
MOST_CAPTIONS = 8
"""Captions that are kept of one row, languages taking turns."""
TEXT_CACHE = "text.npz"
MOST_ENLARGED = 2
"""Times that pictures are enlarged where there is not one fine picture to learn detail from."""
MOST_SHIFT = 0.03
"""Of pictures that are moved, over the side; by whole pixels, since resampling would blur them."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A split of the shards in memory, on one device; `weights`, ids and facts stay with it.

    Attributes:
        ids: product ids.
        pictures: (N, 3, R, R) uint8.
        slots: (N, S) int64, 0 where not said.
        colours: (N, 8) float32, see docs/architecture.md.
        text: (N, K, 512) float16 sentence embeddings; rows with fewer captions repeat theirs.
        coarse: (N,) float32: 1 for pictures that were enlarged from smaller ones and lack their detail, else 0.
        weights: (N,) float64, sum 1: the share of each row in what is drawn.
        fingerprint: sha256 of ids and pictures.
        categories: kinds of product there are, as the lexicon names them.
    """

    ids: tuple[str, ...]
    pictures: Tensor
    slots: Tensor
    colours: Tensor
    text: Tensor
    coarse: Tensor
    weights: Tensor
    fingerprint: str
    categories: tuple[str, ...]

    def to(self, device: torch.device) -> Catalogue:
        """The same catalogue elsewhere: a GPU that had to wait for the processor's memory would mostly wait."""
        tensors = ("pictures", "slots", "colours", "text", "coarse", "weights")
        return replace(self, **{name: getattr(self, name).to(device) for name in tensors})

    def facts(self) -> dict[str, Any]:
        """What a pack trained on it has to know: kinds it can draw, and the seller's own among them."""
        return {"categories": list(self.categories), "kinds": own_kinds_as_rows(self.categories)}


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step sees.

    Attributes:
        pictures: (N, 3, R, R) float in [-1, 1].
        slots: (N, S) int64 after dropping.
        colours: (N, 8) float after dropping.
        text: (N, 512) float after dropping, with noise.
        category: (N,) int64, the true category whether said or not; 0 where unknown.
        coarse: (N,) float, see `Catalogue`; never kept back.
    """

    pictures: Tensor
    slots: Tensor
    colours: Tensor
    text: Tensor
    category: Tensor
    coarse: Tensor

    def rows(self, order: Tensor) -> Batch:
        """The same products in another order."""
        return Batch(*(getattr(self, name)[order] for name in self.__slots__))


def load_catalogue(folder: Path, recipe: DataRecipe, vocabulary: Sequence[int], split: str = "train") -> Catalogue:
    """Read a split of the shards into memory.

    Args:
        folder: made by `packshot data prepare`.
        recipe: resolution and shares.
        vocabulary: number of values of each slot in the network.
        split: `train` or `test`.

    Raises:
        InputError: the shards cannot be read, or the split is empty.
        OutputError: embeddings cannot be written beside the shards.
        RecipeError: resolution, vocabulary or category names of the recipe do not fit the shards.
    """
    rows = [row for row in read_shards(folder) if row.split == split]
    if not rows:
        raise InputError(folder, f"no pictures in the split '{split}'", "shards with at least one")
    with ThreadPoolExecutor() as pool:  # decoding gives other threads their turn
        decoded = list(pool.map(lambda row: _at_resolution(row, recipe.resolution, folder), rows))
    ids = [row.id for row in rows]
    pictures, coarse = zip(*decoded, strict=True)
    own = rows[0].pixels.shape[0]
    if all(coarse) and recipe.resolution > MOST_ENLARGED * own:
        accepted = f"{own}, as the pictures of {folder} are, to {MOST_ENLARGED * own}: there are no fine ones"
        raise RecipeError("data.resolution", recipe.resolution, accepted)
    slots, colours = zip(*map(condition_of, rows), strict=True)
    captions = [_captions(row.captions, row.title) for row in rows]
    fine = torch.tensor([row.fine_picture is not None for row in rows])
    values = np.stack(slots)
    _check_vocabulary(values, vocabulary)
    stacked = np.stack(pictures)
    digest = hashlib.sha256("\n".join(ids).encode())
    digest.update(stacked.data)
    slot_tensor = torch.from_numpy(values)
    return Catalogue(
        ids=tuple(ids),
        pictures=torch.from_numpy(stacked),
        slots=slot_tensor,
        colours=torch.from_numpy(np.stack(colours)),
        text=_embedded(folder, captions, split),
        coarse=torch.tensor(coarse, dtype=torch.float32),
        weights=sampling_weights(slot_tensor[:, 0], fine, recipe),
        fingerprint=digest.hexdigest(),
        categories=tuple(key for key, value in lexicon().values["category"].items() if (values[:, 0] == value).any()),
    )


def _at_resolution(row: ShardRow, side: int, folder: Path) -> tuple[NDArray[np.uint8], bool]:
    """(3, side, side) of a row, and whether it was enlarged to that side.

    Raises:
        RecipeError: neither the shards' own resolution nor one up to that of the fine pictures.
    """
    pixels, fine = row.pixels, None
    if (own := pixels.shape[0]) != side:
        fine = row.fine_pixels
        if side < own or (fine is not None and side > fine.shape[0]):
            accepted = f"{own}, as the pictures of {folder} are, or more, up to the side of its fine ones"
            raise RecipeError("data.resolution", side, accepted)
        way = Image.Resampling.BICUBIC if fine is None else Image.Resampling.BOX
        pixels = np.asarray(Image.fromarray(pixels if fine is None else fine).resize((side, side), way))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)), own != side and fine is None


def sampling_weights(category: Tensor, fine: Tensor, recipe: DataRecipe) -> Tensor:
    """Share of each row in what is drawn: count of its category ** -balance, times its own and the category's weight.

    Args:
        category: (N,) int64.
        fine: (N,) bool, whether a row has a fine picture.
        recipe: `balance`, `balance_floor`, `category_weights` and `fine_weight`.

    Returns:
        (N,) float64, sum 1.

    Raises:
        RecipeError: a name in `category_weights` is no category, or all weights are 0.
    """
    values = lexicon().values["category"]
    counts = torch.bincount(category, minlength=max(values.values()) + 1).float()
    shares = counts.clamp(min=recipe.balance_floor) ** -recipe.balance
    for name, factor in recipe.category_weights.items():
        if name not in values:
            raise RecipeError("data.category_weights", f"'{name}'", f"categories of the lexicon: {', '.join(values)}")
        shares[values[name]] *= factor
    weights = torch.where(fine, recipe.fine_weight, 1.0).double() * shares[category]
    if not weights.sum() > 0:
        raise RecipeError("data.category_weights", "0 for every category there is", "at least one above 0")
    return weights / weights.sum()


def draw_batch(catalogue: Catalogue, count: int, recipe: DataRecipe, generator: torch.Generator) -> Batch:
    """Draw rows by their weights, and keep back parts of what is said about them.

    Args:
        catalogue: where from.
        count: of rows; drawn with replacement.
        recipe: probabilities of keeping back.
        generator: on the catalogue's device; the only source of randomness.
    """
    device = generator.device
    rows = torch.multinomial(catalogue.weights, count, replacement=True, generator=generator)
    variant = torch.randint(0, catalogue.text.shape[1], (count,), generator=generator, device=device)
    text = catalogue.text[rows, variant].float()
    silent = text.abs().sum(1) == 0
    text = text + torch.randn(text.shape, generator=generator, device=device) * recipe.text_noise
    slots, colours = catalogue.slots[rows].clone(), catalogue.colours[rows].clone()
    chance = torch.rand(count, slots.shape[1] + 5, generator=generator, device=device)
    for index, probability in enumerate(recipe.drop_slots):
        slots[:, index] *= chance[:, index] > probability
    colour, second, sentence, everything = chance[:, slots.shape[1] :].T[:4]
    colours[colour < recipe.drop_colour] = 0
    colours[second < recipe.drop_second_colour, 4:] = 0
    text[(sentence < recipe.drop_text) | silent] = 0
    nothing = everything < recipe.drop_all
    slots[nothing], colours[nothing], text[nothing] = 0, 0, 0
    pictures = catalogue.pictures[rows].float() / 127.5 - 1
    if recipe.move_share:
        spec = AugmentSpec(recipe.move_share, MOST_SHIFT, 0.0, 0.0)
        pictures = move(pictures, draw_transforms(spec, count, recipe.resolution, generator))
    if recipe.hue_share:
        turned = (torch.rand(count, generator=generator, device=device) < recipe.hue_share) & (colours[:, 0] > 0)
        turns = draw_turns(count, generator)
        pictures = torch.where(turned.view(-1, 1, 1, 1), turn_pictures(pictures, turns), pictures)
        colours = torch.where(turned[:, None], turn_colours(colours, turns), colours)
        text[turned] = 0  # it names the colour that was
    return Batch(pictures, slots, colours, text, catalogue.slots[rows, 0], catalogue.coarse[rows])


def condition_of(row: ShardRow) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Slots (S,), 0 where not said, and colours (8,) of a product.

    Raises:
        InputError: the row holds a value that the lexicon does not know.
    """
    numbers = [_slot_number(slot, row.slots.get(slot), f"product {row.id}") for slot in SLOTS]
    return np.array(numbers, np.int64), colour_vector_of(row.colours)


def _slot_number(slot: str, value: str | None, where: str) -> int:
    try:
        return slot_index(slot, value)
    except KeyError:
        raise InputError(where, f"{slot} '{value}'", "a value of the lexicon; prepare the shards again") from None


def _check_vocabulary(slots: NDArray[np.int64], vocabulary: Sequence[int]) -> None:
    for slot, largest, size in zip(SLOTS, slots.max(axis=0), vocabulary, strict=True):
        if largest >= size:
            raise RecipeError("network.vocabulary", f"{size} for {slot}", f"more than {largest}, which the shards use")


def _captions(by_language: Mapping[str, Sequence[str]], title: str) -> list[str]:
    """At most `MOST_CAPTIONS` captions of a row, languages taking turns, the seller's title last."""
    lists = [list(by_language[language]) for language in sorted(by_language)]
    longest = max((len(texts) for texts in lists), default=0)
    turns = [texts[i] for i in range(longest) for texts in lists if i < len(texts) and texts[i].strip()]
    return turns[: MOST_CAPTIONS - 1] + [title] * bool(title.strip())


def _embedded(folder: Path, captions: list[list[str]], split: str) -> Tensor:
    """(N, K, 512) float16 embeddings of the rows' captions, through the cache; zeros for a row without any."""
    unique = sorted({text for row in captions for text in row})
    table = np.concatenate([_embed_cached(folder, unique, split), np.zeros((1, TEXT_FEATURES), np.float16)])
    number = {text: index for index, text in enumerate(unique)}
    width = max(1, max(len(row) for row in captions))
    nothing = len(unique)
    index = [[number[row[k % len(row)]] if row else nothing for k in range(width)] for row in captions]
    return torch.from_numpy(table[np.array(index, np.int64)])


def _embed_cached(folder: Path, unique: list[str], split: str) -> NDArray[np.float16]:
    key = hashlib.sha256("\0".join(unique).encode()).hexdigest()
    path = folder / (TEXT_CACHE if split == "train" else f"{split}-{TEXT_CACHE}")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as cache:
            if str(cache["key"]) == key:
                found: NDArray[np.float16] = cache["embeddings"]
                return found
    except (OSError, ValueError, KeyError, BadZipFile):
        pass  # no cache yet, or a damaged one: it is only a cache
    embeddings = embed(unique).astype(np.float16)
    buffer = io.BytesIO()
    np.savez(buffer, key=np.array(key), embeddings=embeddings)
    write_cache(path, buffer.getvalue())
    return embeddings


def write_cache(path: Path, content: bytes) -> None:
    """Write a file beside the shards; it appears when it is complete.

    Raises:
        OutputError: it cannot be written.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(path, error.strerror or "a failed write", "a writable folder with enough room") from None
