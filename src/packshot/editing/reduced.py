"""A photo resampled by `fit`: how it was done, which pixels are wholly the product's own, and the same once more."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from packshot.editing.measures import ERODED_PX
from packshot.editing.scene import OPAQUE, Bytes, Mask, Reduction, Scene
from packshot.editing.warp import resized
from packshot.images import MAX_PIXELS

_Part = tuple[float, float, float, float]

LONGEST = 99_999
"""Pixels along a side of what `fit` makes."""

_KERNEL = 2.0  # the cubic reaches so many pixels of the coarser of both pictures
_THINNEST = 0.1  # side of a part in the photo's pixels; fit shows whole pixels of the canvas
_UNEVEN = 1e-3  # by which width and height may seem to be resampled differently: whole pixels were cut by 1e-6 of one


def reduction(scene: Scene, part: _Part, at: tuple[int, int, int, int]) -> Reduction | None:
    """What fit does to the photo when it resamples a part of a scene; None where the scene isn't the photo's pixels.

    Args:
        scene: before; cut out.
        part: left, top, right, bottom in the scene's pixels.
        at: left, top, right, bottom in the canvas's.
    """
    if scene.placement is None:
        return None
    top, left = scene.placement
    box = (part[0] - left, part[1] - top, part[2] - left, part[3] - top)
    if not _even(box, at):  # a hair that was widened to a pixel
        return None
    assert scene.alpha is not None
    size = (at[3] - at[1], at[2] - at[0])
    whole = ~within_reach(scene.alpha < OPAQUE, size, part, ERODED_PX)
    for axis, low, high in ((0, part[1], part[3]), (1, part[0], part[2])):
        spans = _spans(low, high, size[axis], ERODED_PX)
        inside = (spans[:, 0] >= 0) & (spans[:, 1] <= scene.size[axis])  # beyond, the photo may go on
        whole &= inside[:, None] if axis == 0 else inside[None]
    return Reduction(box, at, whole)


def within_reach(marked: Mask, size: tuple[int, int], box: _Part, more: int = 0) -> Mask:
    """Which pixels of a resampled layer (height, width) have a marked pixel among those that they are mixed of.

    Args:
        marked: (H, W) of the layer before.
        size: (height, width) after.
        box: left, top, right, bottom of the part that was resampled, as for `resized`.
        more: pixels by which the reach is taken larger, before resampling.
    """
    rows = _spans(box[1], box[3], size[0], more)
    seen = np.stack([marked[max(low, 0) : high].any(axis=0) for low, high in rows])
    columns = _spans(box[0], box[2], size[1], more)
    return np.stack([seen[:, max(low, 0) : high].any(axis=1) for low, high in columns], axis=1)


def reference(photo: Bytes, how: Reduction) -> tuple[Bytes, tuple[int, int]]:
    """The photo (H, W, 3), opaque as it is, resampled in the same way; and (top, left) of it in the edited picture.

    Pixels that would lie beyond the photo are left out.

    Raises:
        ValueError: nothing of the photo is left.
    """
    left, right, box_left, box_right = _inside(how.box[0], how.box[2], how.size[1], photo.shape[1])
    top, bottom, box_top, box_bottom = _inside(how.box[1], how.box[3], how.size[0], photo.shape[0])
    if left >= right or top >= bottom:
        raise ValueError("a part beyond the photo")
    seen = resized(photo, (bottom - top, right - left), (box_left, box_top, box_right, box_bottom))
    return seen, (how.at[1] + top, how.at[0] + left)


def read(box: Sequence[object], at: Sequence[object]) -> Reduction:
    """A reduction from a document.

    Raises:
        ValueError: no such numbers, or what `fit` never does: other sizes than it makes, another shape.
    """
    numbers = [v for v in box if isinstance(v, (int, float)) and not isinstance(v, bool)]
    pixels = [v for v in at if isinstance(v, int) and not isinstance(v, bool)]
    if not len(numbers) == len(box) == len(pixels) == len(at) == 4:
        raise ValueError("no box")
    if not all(abs(v) <= MAX_PIXELS for v in (*numbers, *pixels)):  # no NaN either
        raise ValueError("a box out of reach")
    left, top, right, bottom = (float(v) for v in numbers)
    how = Reduction((left, top, right, bottom), (pixels[0], pixels[1], pixels[2], pixels[3]))
    height, width = how.size
    if not (0 < height <= LONGEST and 0 < width <= LONGEST and height * width <= MAX_PIXELS):
        raise ValueError("a box of another size")
    if min(right - left, bottom - top) < _THINNEST or not _even(how.box, how.at):
        raise ValueError("a box of another shape")
    return how


def _even(box: _Part, at: tuple[int, int, int, int]) -> bool:
    across, down = (at[2] - at[0]) * (box[3] - box[1]), (at[3] - at[1]) * (box[2] - box[0])
    return abs(across - down) <= _UNEVEN * abs(down)


def _spans(low: float, high: float, pixels: int, more: int) -> NDArray[np.int64]:
    """(pixels, 2) first and end of what each pixel after resampling is mixed of; possibly beyond the layer."""
    step = (high - low) / pixels
    middles = low + (np.arange(pixels) + 0.5) * step
    reach = _KERNEL * max(step, 1.0) + more
    return np.stack([np.floor(middles - reach), np.ceil(middles + reach)], axis=1).astype(np.int64)


def _inside(low: float, high: float, pixels: int, length: int) -> tuple[int, int, float, float]:
    """First and end of the resampled pixels that lie on the photo, and the part of the photo under them."""
    step = (high - low) / pixels
    first = 0 if low >= 0 else math.ceil(-low / step)
    end = pixels if high <= length else math.floor((length - low) / step)
    part = (low if first == 0 else max(low + first * step, 0.0), high if end == pixels else low + end * step)
    return first, end, part[0], min(part[1], float(length))
