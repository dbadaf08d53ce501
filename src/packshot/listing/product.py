"""Where the product is in a picture, in how many pieces, and what lies beside it. Judges nothing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]

PIECE = 0.02
"""Share of the largest piece from which another one belongs to the product."""
ITEM = 0.12
"""Share of the largest piece from which another one is an item of its own."""
BODY = 0.4
"""Share of the largest piece from which another one can't be a row of letters."""
BEND = 0.015
"""Gap, in shares of the longer side, that broken straps and laces are joined over before items are counted."""
SPECK = 1e-4
"""Share of the frame below which a piece is dust."""
LEAST = 0.002
"""Share of the frame below which nothing was found."""


@dataclass(frozen=True, slots=True)
class Product:
    """Where the product is.

    Attributes:
        mask: (h, w) at the working size, holes filled.
        box: left, top, right, bottom in shares of the frame.
        how: it was found: "alpha" of the file, "white" background, or "network".
        body: (h, w) the same without pieces so small that they may be letters.
        items: area of each item over the largest one's, largest first.
        tones: (N, 3) mean sRGB of each item.
        crumbs: boxes, in shares of the frame, of detached pieces too small to be part of it.
    """

    mask: Mask
    box: Box
    how: str
    body: Mask
    items: tuple[float, ...]
    tones: NDArray[np.float64]
    crumbs: tuple[Box, ...]

    @property
    def longest(self) -> float:
        """The box's longer share of the frame's sides."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @property
    def area(self) -> float:
        """Of the product over the frame's."""
        return float(self.mask.mean())

    @property
    def margin(self) -> float:
        """The least distance to a side of the frame, in shares of that side."""
        return min(self.box[0], self.box[1], 1 - self.box[2], 1 - self.box[3])

    @property
    def contact(self) -> float:
        """The largest share of one side of the frame that the product covers."""
        sides = (self.mask[0], self.mask[-1], self.mask[:, 0], self.mask[:, -1])
        return max(float(side.mean()) for side in sides)


def product_in(mask: Mask, rgb: Bytes, how: str) -> Product | None:
    """The product in a mask (h, w) of all that is not background; None where there is hardly anything.

    Args:
        mask: (h, w).
        rgb: (h, w, 3) the picture.
        how: see `Product`.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0
    if areas.max() < LEAST * mask.size:
        return None
    height, width = mask.shape
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    right, bottom = left + stats[:, cv2.CC_STAT_WIDTH], top + stats[:, cv2.CC_STAT_HEIGHT]
    kept = areas >= (ITEM if how == "network" else PIECE) * areas.max()  # its crumbs are parts of the place
    solid = _filled(np.take(kept, np.asarray(labels)))
    body, items, tones = _items(solid, rgb)
    small = np.flatnonzero((areas > 0) & ~kept & (areas >= SPECK * mask.size))
    edges = (left / width, top / height, right / width, bottom / height)
    boxes = [(float(e[0]), float(e[1]), float(e[2]), float(e[3])) for e in zip(*edges, strict=True)]
    whole = [boxes[k] for k in np.flatnonzero(kept)]
    return Product(
        mask=solid,
        box=(min(b[0] for b in whole), min(b[1] for b in whole), max(b[2] for b in whole), max(b[3] for b in whole)),
        how=how,
        body=body,
        items=items,
        tones=tones,
        crumbs=tuple(boxes[k] for k in small),
    )


def _filled(mask: Mask) -> Mask:
    """Holes belong to the product: a handle's loop is no background of its own."""
    outside = cv2.copyMakeBorder((~mask).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, labels = cv2.connectedComponents(outside, connectivity=4)
    return np.asarray(labels[1:-1, 1:-1] != labels[0, 0])


def _items(mask: Mask, rgb: Bytes) -> tuple[Mask, tuple[float, ...], NDArray[np.float64]]:
    """The items, their areas and mean colours; straps and laces that break are joined first."""
    reach = max(3, round(BEND * max(mask.shape)))
    joined = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA] / max(1, stats[1:, cv2.CC_STAT_AREA].max())
    chosen = [k for k in np.argsort(-areas, kind="stable") if areas[k] >= ITEM]
    bodies = np.zeros(len(areas) + 1, bool)
    bodies[[k + 1 for k in chosen if areas[k] >= BODY]] = True
    whole = np.take(bodies, np.asarray(labels))
    tones = [cv2.mean(rgb, mask=((labels == k + 1) & mask).view(np.uint8))[:3] for k in chosen]
    return whole & mask, tuple(round(float(areas[k]), 3) for k in chosen), np.array(tones)
