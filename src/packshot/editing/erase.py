"""Erase what a mask covers: filled from its surroundings or by a model, or taken away with its coverage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from packshot.editing.diffusers import Wish, own_side, painted, refuse_without_model
from packshot.editing.filling import filled
from packshot.editing.noise import Field, resized
from packshot.editing.scene import SOLID, Bytes, Made, Mask, Scene
from packshot.errors import RequestError
from packshot.images import open_picture
from packshot.safety import current

_ACCEPTED = "a grey picture of the photo's size, boxes x,y,w,h or circles circle:x,y,r, joined by ;"
_HOLE_SIDE = 120
"""Pixels of a square as large as the hole, up to which patches are matched; larger holes are worked on reduced."""
_AROUND = 1.1
"""Surroundings that are searched on each side, against the hole's longer side."""
_LEAST_AROUND = 48
_MOST_HOLES = 64
_JOINED = 0.5
"""Holes nearer to each other than this share of the surroundings are filled as one."""


def erase(
    scene: Scene,
    mask: str,
    *,
    feather: float | None = None,
    away: bool = False,
    seed: int = 0,
    by: str = "",
    words: str = "",
    steps: int | None = None,
    guidance: float | None = None,
) -> Scene:
    """Remove a tag, hanger or stain under a mask and continue its surroundings.

    The filler is classical: patches of the surroundings are copied (see `filling`), so that textures and edges go on;
    it knows no objects and cannot invent what was hidden. With `by` a diffusion model of the user's invents it.
    Pixels outside of the mask are copied either way.

    Args:
        scene: cut out or not; of a cut-out, holes in the product are filled from the product alone.
        mask: path of a grey picture of the same size, light where to erase; or boxes `x,y,w,h` and circles
            `circle:x,y,r` in pixels from the upper left corner, joined by `;`.
        feather: pixels inside of the mask's edge over which what was there fades out, 0 to 50; for stains without an
            edge, since it leaves traces of what has one. None: 0, or with a model a hundredth of what it looked at, at
            most 8, since its colours fit less well.
        away: take the product itself away there (a hanger that was cut out with it) instead of filling.
        seed: of the search for patches, or of the noise that a model starts from.
        by: `diffusers:` and the folder of an inpainting pipeline, which fills the mask.
        words: what that model shall paint there; whatever fits, where there are none.
        steps: of its sampler; None for as many as it takes by itself.
        guidance: how far it is pushed towards the words; None for as by itself.

    Raises:
        RequestError: a mask that says no place in the photo, or that leaves nothing to copy from; `away` without a
            cut-out; a model that cannot do this.
        UnsafeError: words that the safety lists refuse.
        InputError: the mask's picture or the model cannot be read.
        MissingExtraError: a model is named, and diffusers is not installed.
    """
    current().words(words, "erase.words")
    if feather is not None and not 0 <= feather <= 50:
        raise RequestError("erase.feather", f"{feather:g}", "0 to 50")
    refuse_without_model("erase", by, {"words": words, "steps": steps, "guidance": guidance})
    hole = mask_of(mask, scene.size)
    if by:
        if away:
            raise RequestError("erase.by", "a model beside away=yes, which fills nothing", "one of them")
        return _by_model(scene, hole, Wish("erase", by, words, seed, steps, guidance), feather)
    feather = feather or 0.0
    if away:
        alpha = scene.coverage("erase.away")
        kept = (alpha * (1 - _ramp(hole, feather))).astype(np.uint8)
        return replace(scene, alpha=kept).with_touched(hole)
    known = ~hole
    if scene.alpha is not None:
        inside = scene.alpha >= SOLID
        # A hole beside the product has nothing to take from the product.
        known &= inside if 2 * int((hole & inside).sum()) >= int(hole.sum()) else True
    if int(known.sum()) < 64:
        raise RequestError("erase.mask", f"'{mask}', which leaves nothing to fill it from", "a smaller mask")
    product = scene.product.copy()
    for box in _boxes(hole):
        product[box] = _filled_box(product[box], hole[box], known[box], feather, seed)
    return replace(scene, product=product).with_touched(hole)


def _by_model(scene: Scene, hole: Mask, wish: Wish, feather: float | None) -> Scene:
    """Hole after hole, the others hidden from the model as long as they are not filled."""
    side, left, product = own_side(wish), hole.copy(), scene.product.copy()
    parts: list[Made] = []
    for box in _boxes(hole):
        gap = np.zeros_like(hole)
        gap[box] = left[box]
        if not gap.any():
            continue
        seen = tuple(_widened(part, side, length) for part, length in zip(box, hole.shape, strict=True))
        found, made = painted(wish, product[seen], left[seen])
        fading = min(8.0, max(product[seen].shape[:2]) / 100) if feather is None else feather
        share = _ramp(hole[seen], fading)  # of the whole hole: where the box cuts it there is no edge
        product[seen] = _mixed(product[seen], gap[seen], found.astype(np.float32), share)
        left &= ~gap
        parts.append(made)
    record = replace(parts[0], sizes=tuple(size for made in parts for size in made.sizes))
    return replace(scene, product=product, made=(*scene.made, record)).with_touched(hole)


def _widened(part: slice, least: int, length: int) -> slice:
    """A longer part of a row or column of pixels around this one, as far as there are so many."""
    missing = max(0, min(least, length) - (part.stop - part.start))
    start = min(max(0, part.start - missing // 2), length - (part.stop - part.start) - missing)
    return slice(start, start + (part.stop - part.start) + missing)


def mask_of(text: str, size: tuple[int, int], where: str = "erase.mask") -> Mask:
    """(H, W) what a mask's text names; `where` it was said, for errors.

    Raises:
        RequestError: see `erase`.
        InputError: a picture that cannot be read.
    """
    hole = np.zeros(size, np.uint8)
    parts = [part.strip() for part in text.split(";") if part.strip()]
    shapes = [_shape(part, where) for part in parts]
    if not parts or (None in shapes and len(parts) > 1):
        raise RequestError(where, f"'{text}'", _ACCEPTED)
    for shape in shapes:
        if shape is None:
            hole = _picture_mask(Path(text.strip()), size, where)
        elif len(shape) == 3:
            _circle(hole, *shape)
        else:
            x, y, w, h = shape
            hole[max(0, y) : max(0, y + h), max(0, x) : max(0, x + w)] = 1
    if not hole.any():
        raise RequestError(where, f"'{text}', which marks nothing", f"a place in {size[1]}×{size[0]} pixels")
    return hole > 0


def _shape(text: str, where: str) -> tuple[int, ...] | None:
    """(x, y, w, h), (x, y, r), or None for what can only be a path."""
    circle = text.lower().startswith("circle:")
    try:
        numbers = tuple(round(float(part)) for part in text[7 * circle :].split(","))
    except (ValueError, OverflowError):
        numbers = ()
    right = len(numbers) == (3 if circle else 4) and min(numbers[2:]) > 0
    if right and max(map(abs, numbers)) < 1_000_000:
        return numbers
    if circle or numbers or not Path(text).suffix:
        raise RequestError(where, f"'{text}'", _ACCEPTED)
    return None


def _circle(hole: Bytes, x: int, y: int, radius: int) -> None:
    """Marked row by row within the picture: OpenCV fills circles larger than its integers wrongly."""
    h, w = hole.shape
    top, bottom = max(0, y - radius), min(h, y + radius + 1)
    left, right = max(0, x - radius), min(w, x + radius + 1)
    if top < bottom and left < right:
        rows, columns = np.ogrid[top:bottom, left:right]
        hole[top:bottom, left:right] |= ((rows - y) ** 2 + (columns - x) ** 2 <= radius**2).astype(np.uint8)


def _picture_mask(path: Path, size: tuple[int, int], where: str) -> Bytes:
    picture = open_picture(path, where=f"{where} {path}")
    if picture.shape[:2] != size:
        got = f"{picture.shape[1]}×{picture.shape[0]} pixels"
        raise RequestError(where, got, f"the photo's {size[1]}×{size[0]}")
    return np.asarray(picture.max(-1) > 127, np.uint8)


def _boxes(hole: Mask) -> Iterator[tuple[slice, slice]]:
    """Holes with their surroundings; holes that are near to each other together."""
    h, w = hole.shape
    factor = min(1.0, 1000 / max(h, w))
    small = cv2.resize(hole.astype(np.float32), None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) > 0
    _, _, first, _ = cv2.connectedComponentsWithStats(small.astype(np.uint8))
    longest = max(int(first[1:, 2:4].max()), 1) if len(first) > 1 else 1
    reach = max(3, round(_JOINED * max(_AROUND * longest, _LEAST_AROUND * factor) / 4)) | 1
    grown = cv2.dilate(small.astype(np.uint8), np.ones((reach, reach), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(grown)
    if count - 1 > _MOST_HOLES:
        raise RequestError("erase.mask", f"{count - 1} separate places", f"at most {_MOST_HOLES}")
    for left, top, width, height, _ in stats[1:]:
        rows = np.flatnonzero(hole[_part(top, height, factor, h)].any(1)) + max(0, int(top / factor) - 1)
        y = _part(top, height, factor, h)
        columns = np.flatnonzero(hole[y, _part(left, width, factor, w)].any(0)) + max(0, int(left / factor) - 1)
        if len(rows) and len(columns):
            long = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
            pad = max(_LEAST_AROUND, round(_AROUND * min(long, 0.5 * max(h, w))))
            yield (
                slice(max(0, rows[0] - pad), min(h, rows[-1] + pad + 1)),
                slice(max(0, columns[0] - pad), min(w, columns[-1] + pad + 1)),
            )


def _part(start: int, length: int, factor: float, limit: int) -> slice:
    return slice(max(0, int(start / factor) - 1), min(limit, int((start + length) / factor) + 2))


def _filled_box(picture: Bytes, hole: Mask, known: Mask, feather: float, seed: int) -> Bytes:
    """One box with its hole filled, matched at a limited size and copied at the full one."""
    h, w = hole.shape
    factor = min(1.0, _HOLE_SIDE / max(int(hole.sum()), 1) ** 0.5, 640 / max(h, w))
    size = (max(8, round(w * factor)), max(8, round(h * factor)))
    exact = picture.astype(np.float32)
    here = exact if factor == 1 else resized(exact, size)
    gap = hole if factor == 1 else resized(hole.astype(np.float32), size) > 0
    free = known if factor == 1 else resized(known.astype(np.float32), size) > 0.999
    start = cv2.inpaint(np.rint(here).astype(np.uint8), (gap | ~free).astype(np.uint8), 3, cv2.INPAINT_TELEA)
    done = filled(here, gap, free & ~gap, start.astype(np.float32), seed)
    found = done.picture if factor == 1 else _at_full_size(exact, hole, done.picture, done.source)
    return _mixed(picture, hole, found, _ramp(hole, feather))


def _mixed(picture: Bytes, hole: Mask, found: Field, share: Field) -> Bytes:
    """The picture with this share of what was found in its hole; every pixel outside of it is copied."""
    part = share[..., None]
    mixed = np.clip(np.rint(picture.astype(np.float32) * (1 - part) + found * part), 0, 255).astype(np.uint8)
    return np.where(hole[..., None], mixed, picture)


def _at_full_size(picture: Field, hole: Mask, small: Field, source: NDArray[np.int32]) -> Field:
    """What was matched at a reduced size, with the fine detail of the places that it was copied from."""
    (h, w), (sh, sw) = hole.shape, small.shape[:2]
    ratio = np.array([h / sh, w / sw])
    rows, columns = np.nonzero(hole)
    there = np.minimum((np.stack([rows, columns], 1) + 0.5) / ratio, [sh - 1, sw - 1]).astype(np.int32)
    shift = np.rint((source[there[:, 0], there[:, 1]] - there) * ratio).astype(np.int32)
    at = np.clip(np.stack([rows, columns], 1) + shift, 0, [h - 1, w - 1])
    coarse = cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)
    smooth = cv2.resize(
        cv2.resize(picture, (sw, sh), interpolation=cv2.INTER_AREA), (w, h), interpolation=cv2.INTER_CUBIC
    )
    found = picture.copy()
    found[rows, columns] = coarse[rows, columns] + (picture - smooth)[at[:, 0], at[:, 1]]
    return found


def _ramp(hole: Mask, feather: float) -> Field:
    """0 outside of the mask, 1 further inside of it than `feather`."""
    if feather == 0:
        return hole.astype(np.float32)
    depth = cv2.distanceTransform(np.pad(hole.astype(np.uint8), 1, mode="edge"), cv2.DIST_L2, 5)[1:-1, 1:-1]
    return np.asarray(np.clip(depth / np.float32(feather + 1), 0, 1), np.float32)
