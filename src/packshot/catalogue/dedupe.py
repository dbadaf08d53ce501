"""Find pictures that show the same: perceptual hash and main colour. Colourways of one product stay apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HASH_DISTANCE = 2
COLOUR_DISTANCE = 0.03
# Two hashes that differ in at most two bits agree on at least one of three pieces (pigeonhole).
_PIECES = ((0, 22), (22, 21), (43, 21))


def difference_hash(square: NDArray[np.uint8]) -> int:
    """64 bits, one for each pair of neighbours in a 9×8 grey thumbnail: is the right one lighter? (dHash, Krawetz 2013).

    Args:
        square: (S, S, 3) sRGB bytes, the product squared on white, so that its place in the seller's frame does not matter.
    """
    grey = np.asarray(Image.fromarray(square).convert("L").resize((9, 8), Image.Resampling.BOX)).astype(np.int16)
    return int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes(), "big")


def repeated(hashes: Sequence[int], colours: Sequence[Sequence[float]]) -> list[int | None]:
    """For each picture the earlier one that it repeats, or None.

    Args:
        hashes: `difference_hash` of each, best picture first: the first of equals is kept.
        colours: main colour of each, OKLab.

    Returns:
        Index of an earlier picture that is itself kept, at most `HASH_DISTANCE` bits and `COLOUR_DISTANCE` away, or None.
    """
    buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
    result: list[int | None] = []
    for index, (bits, colour) in enumerate(zip(hashes, colours, strict=True)):
        keys = [(piece, bits >> shift & (1 << width) - 1) for piece, (shift, width) in enumerate(_PIECES)]
        candidates = (other for key in keys for other in buckets[key])
        match = next(
            (
                other
                for other in candidates
                if (bits ^ hashes[other]).bit_count() <= HASH_DISTANCE
                and sum((x - y) ** 2 for x, y in zip(colour, colours[other], strict=True)) <= COLOUR_DISTANCE**2
            ),
            None,
        )
        result.append(match)
        if match is None:
            for key in keys:
                buckets[key].append(index)
    return result
