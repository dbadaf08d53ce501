"""What is measured on a picture, each number once and only when a rule asks for it. Judges nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from packshot.editing.cutout import cutout
from packshot.editing.scene import Scene
from packshot.errors import RequestError
from packshot.framing import find_product, is_plain_white
from packshot.images import Layers, flattened, open_layers, reduced
from packshot.listing.facts import Facts, read_facts
from packshot.listing.lines import Line, find_lines
from packshot.listing.sharpness import edge_blur

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

WORKING_PX = 1000
"""Longest side at which the product is looked for."""
MCU_PX = 16
"""Pixels around the product that a JPEG's blocks may have changed: not asked to be exactly white."""
PIECE = 0.02
"""Share of the largest piece from which another one belongs to the product."""
ITEM = 0.12
"""Share of the largest piece from which another one is an item of its own."""
_INK = 250  # darkest channel below which a pixel is not the background, where that is exactly white
_BORDER = 0.01  # of the shorter side, at least two pixels


@dataclass(frozen=True, slots=True)
class Product:
    """Where the product is.

    Attributes:
        mask: (h, w) at the working size, holes filled.
        box: left, top, right, bottom in shares of the frame.
        how: it was found: "alpha" of the file, "white" background, or "network".
        items: area of each item over the largest one's, largest first.
        crumbs: boxes, in shares of the frame, of detached pieces too small to be part of it.
    """

    mask: Mask
    box: tuple[float, float, float, float]
    how: str
    items: tuple[float, ...]
    crumbs: tuple[tuple[float, float, float, float], ...]

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


@dataclass(frozen=True, slots=True)
class White:
    """How white the background is.

    Attributes:
        border: share of the frame's outermost pixels, without the product, that are exactly 255, 255, 255.
        background: the same of all background pixels at least `MCU_PX` from the product.
        worst: levels by which the darkest channel of the worst of them is below 255.
        mean: their mean colour.
    """

    border: float
    background: float
    worst: int
    mean: tuple[int, int, int]


class Look:
    """A picture and what is measured on it; every measure is taken once, when first asked for."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data, self.where = data, where
        self.facts: Facts = read_facts(data, where)

    @cached_property
    def layers(self) -> Layers:
        """The pixels as a viewer shows them, with their transparency."""
        return open_layers(self.data, where=self.where)

    @cached_property
    def rgb(self) -> Bytes:
        """(H, W, 3), transparency shown on white."""
        layers = self.layers
        return layers.rgb if layers.alpha is None else flattened(np.dstack([layers.rgb, layers.alpha]))

    @cached_property
    def working(self) -> Bytes:
        """(h, w, 3) at the working size."""
        return reduced(self.rgb, WORKING_PX)

    @cached_property
    def on_white(self) -> bool:
        """Whether the frame's border is white, near enough for the product to be seen by that alone."""
        border = _border_pixels(self.working)
        if float((border.min(axis=-1) >= _INK).mean()) >= 0.9:
            return True
        finding = find_product(self.working)
        return finding is not None and is_plain_white(finding)

    @cached_property
    def product(self) -> Product | None:
        """Where the product is; None where none is found."""
        alpha = self.layers.alpha
        if alpha is not None:
            size = (self.working.shape[1], self.working.shape[0])
            return _product(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) > 127, "alpha")
        if self.on_white:
            found = _product(self._ink(), "white")
            if found is not None and found.area > 0.01:
                return found
        seen = self.coverage
        return None if seen is None else _product(seen > 127, "network")

    @cached_property
    def coverage(self) -> Bytes | None:
        """(h, w) what the cut-out network covers at the working size; None where it finds nothing."""
        try:
            return cutout(Scene(self.working)).alpha
        except RequestError:
            return None

    @cached_property
    def white(self) -> White:
        """How white the background is."""
        height, width = self.rgb.shape[:2]
        background = np.ones((height, width), bool)
        if self.product is not None:
            scale = self.working.shape[1] / width
            reach = 2 * int(np.ceil(MCU_PX * scale) + 1) + 1
            near = cv2.dilate(self.product.mask.astype(np.uint8), np.ones((reach, reach), np.uint8))
            background = cv2.resize(near, (width, height), interpolation=cv2.INTER_NEAREST) == 0
        darkest = self.rgb.min(axis=-1)
        rim = _rim(height, width) & background
        if not background.any():
            return White(0.0, 0.0, 255, (0, 0, 0))
        mean = self.rgb[background].mean(axis=0)
        return White(
            border=float((darkest[rim] == 255).mean()) if rim.any() else 0.0,
            background=float((darkest[background] == 255).mean()),
            worst=255 - int(darkest[background].min()),
            mean=(round(mean[0]), round(mean[1]), round(mean[2])),
        )

    @cached_property
    def shadow(self) -> float | None:
        """Share of the frame that a shadow on white takes; None where the background is not white or nothing is cut."""
        if not self.on_white or self.coverage is None:
            return None
        near = cv2.dilate(self.coverage, np.ones((9, 9), np.uint8)) > 25
        low, high = self.working.min(axis=-1), self.working.max(axis=-1)
        grey = (low < 247) & (low > 60) & (high.astype(int) - low <= 14) & ~near
        grey = cv2.morphologyEx(grey.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        return float(grey.mean())

    @cached_property
    def blur(self) -> float | None:
        """Width of the product's edges: standard deviation in pixels at `sharpness.SIDE`; None where it has none."""
        if self.product is None:
            return None
        height, width = self.rgb.shape[:2]
        left, top, right, bottom = self.product.box
        part = self.rgb[int(top * height) : round(bottom * height), int(left * width) : round(right * width)]
        return edge_blur(part) if min(part.shape[:2]) >= 8 else None

    @cached_property
    def text(self) -> list[Line]:
        """Rows of lettering."""
        return find_lines(self.rgb, self._covered)

    @cached_property
    def faint_text(self) -> list[Line]:
        """Rows of faint lettering beside the product, as watermarks are; on an even background alone."""
        return [line for line in find_lines(self.rgb, self._covered, faint=True) if line.on_product < 0.5]

    @cached_property
    def border_sides(self) -> tuple[str, ...]:
        """Sides along which an even strip ends in a straight line from edge to edge."""
        turned = {"top": self.working, "left": self.working.transpose(1, 0, 2)}
        turned |= {"bottom": self.working[::-1], "right": turned["left"][::-1]}
        return tuple(side for side, view in turned.items() if _has_strip(view))

    @cached_property
    def _covered(self) -> Mask:
        return np.zeros(self.working.shape[:2], bool) if self.product is None else self.product.mask

    def _ink(self) -> Mask:
        """What is not background, where that is white."""
        border = _border_pixels(self.working)
        if float((border.min(axis=-1) >= 254).mean()) >= 0.9:
            return np.asarray(self.working.min(axis=-1) < _INK)
        finding = find_product(self.working)
        return np.zeros(self.working.shape[:2], bool) if finding is None else finding.mask


def _product(mask: Mask, how: str) -> Product | None:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0
    largest = areas.max()
    if largest < 0.002 * mask.size:
        return None
    height, width = mask.shape
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    right, bottom = left + stats[:, cv2.CC_STAT_WIDTH], top + stats[:, cv2.CC_STAT_HEIGHT]
    kept = areas >= PIECE * largest
    solid = _filled(kept[labels])
    small = np.flatnonzero((areas > 0) & ~kept & (areas >= 1e-4 * mask.size))
    edges = (left / width, top / height, right / width, bottom / height)
    boxes = [(float(e[0]), float(e[1]), float(e[2]), float(e[3])) for e in zip(*edges, strict=True)]
    whole = [boxes[k] for k in np.flatnonzero(kept)]
    return Product(
        mask=solid,
        box=(min(b[0] for b in whole), min(b[1] for b in whole), max(b[2] for b in whole), max(b[3] for b in whole)),
        how=how,
        items=_items(solid),
        crumbs=tuple(boxes[k] for k in small),
    )


def _filled(mask: Mask) -> Mask:
    """Holes belong to the product: a handle's loop is no background of its own."""
    outside = cv2.copyMakeBorder((~mask).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, labels = cv2.connectedComponents(outside, connectivity=4)
    return np.asarray(labels[1:-1, 1:-1] != labels[0, 0])


def _items(mask: Mask) -> tuple[float, ...]:
    """Straps and laces that break are joined first."""
    reach = max(3, round(0.015 * max(mask.shape)))
    joined = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    areas = np.sort(stats[1:, cv2.CC_STAT_AREA])[::-1] / max(1, stats[1:, cv2.CC_STAT_AREA].max())
    return tuple(round(float(area), 3) for area in areas if area >= ITEM)


def _rim(height: int, width: int) -> Mask:
    reach = max(2, round(_BORDER * min(height, width)))
    rim = np.ones((height, width), bool)
    rim[reach:-reach, reach:-reach] = False
    return rim


def _border_pixels(rgb: Bytes) -> Bytes:
    return rgb[_rim(*rgb.shape[:2])]


def _has_strip(rgb: Bytes) -> bool:
    """Whether the upper strip of a picture is even and ends in one straight line, within 8 % of its height."""
    height = len(rgb)
    strip = rgb[: max(3, round(0.08 * height)) + 1].astype(np.int16)
    steps = np.abs(np.diff(strip, axis=0)).max(axis=-1)  # (rows, columns)
    for row in range(len(steps)):
        if float((steps[row] > 14).mean()) > 0.96:
            above = strip[: row + 1].reshape(-1, 3)
            return bool(np.abs(above - np.median(above, axis=0)).mean() < 6)
        if float((steps[row] > 14).mean()) > 0.3:  # the strip is no longer even
            return False
    return False
