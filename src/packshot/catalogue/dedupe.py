"""Find pictures that show the same: perceptual hash, main colour and a small thumbnail. Colourways stay apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HASH_DISTANCE = 2
COLOUR_DISTANCE = 0.03
THUMBNAIL_DISTANCE = 2.0
"""Mean absolute difference of sRGB bytes. Without it most matches are different products of one outline."""

_THUMBNAIL_PX = 16
_MARGIN = 2  # grey levels; without it, noise in flat white decides bits, and half of the rescaled pictures are missed
# Two hashes that differ in at most two bits agree on at least one of three pieces (pigeonhole).
_PIECES = ((0, 22), (22, 21), (43, 21))


@dataclass(frozen=True, slots=True)
class Look:
    """What is remembered of a picture to recognise it.

    Attributes:
        hash: 64 bits, see `look_of`.
        colour: main colour, OKLab.
        thumbnail: 16×16×3 sRGB bytes.
    """

    hash: int
    colour: tuple[float, float, float]
    thumbnail: bytes


def look_of(square: NDArray[np.uint8], colour: tuple[float, float, float]) -> Look:
    """Describe a picture by dHash (Krawetz 2013: is the right one of two neighbours in a 9×8 grey thumbnail lighter?).

    Args:
        square: (S, S, 3) sRGB bytes, the product squared on white, so that its place in the seller's frame does not
            matter.
        colour: main colour, OKLab.
    """
    image = Image.fromarray(square)
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX)).astype(np.int16)
    bits = int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1] + _MARGIN).tobytes(), "big")
    return Look(bits, colour, image.resize((_THUMBNAIL_PX, _THUMBNAIL_PX), Image.Resampling.BOX).tobytes())


def repeated(looks: Sequence[Look]) -> list[int | None]:
    """For each picture the earlier one that it repeats, or None.

    Args:
        looks: the picture to keep first: of equals the first stays.

    Returns:
        Index of an earlier picture that is itself kept and is near in all three: `HASH_DISTANCE` bits,
        `COLOUR_DISTANCE` in OKLab, `THUMBNAIL_DISTANCE`; or None.
    """
    buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
    result: list[int | None] = []
    for index, look in enumerate(looks):
        keys = [(piece, look.hash >> shift & (1 << width) - 1) for piece, (shift, width) in enumerate(_PIECES)]
        candidates: Iterator[int] = (other for key in keys for other in buckets[key])
        match = next((other for other in candidates if _same(look, looks[other])), None)
        result.append(match)
        if match is None:
            for key in keys:
                buckets[key].append(index)
    return result


def _same(first: Look, second: Look) -> bool:
    if (first.hash ^ second.hash).bit_count() > HASH_DISTANCE:
        return False
    if sum((x - y) ** 2 for x, y in zip(first.colour, second.colour, strict=True)) > COLOUR_DISTANCE**2:
        return False
    pixels = [np.frombuffer(look.thumbnail, np.uint8).astype(np.int16) for look in (first, second)]
    return float(np.abs(pixels[0] - pixels[1]).mean()) <= THUMBNAIL_DISTANCE
