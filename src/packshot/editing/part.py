"""Finding a part of a product: its dominant colour region, the part of a colour, the part under a click, a mask.

A product's pixels are clustered in OKLab on a small copy, and clusters that run into one another, as the shaded folds
of one cloth do, are joined to *materials*. Each pixel of the photo then belongs to a material as much as it is nearer
to it than to the others, so that pixels that mix two materials are shared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from packshot.colour import oklab_from_srgb
from packshot.editing.clusters import TINT, Material, calm_pixels, lab_of, materials_of, nearest_index, space
from packshot.editing.colour_names import colour_named
from packshot.editing.place import read_place
from packshot.editing.scene import SOLID, Bytes, Mask, Scene
from packshot.errors import RequestError
from packshot.images import open_picture
from packshot.lexicon.colours import hex_of

Floats = NDArray[np.float32]

STRIP_PX = 1 << 20
"""Pixels that are worked on at a time."""

AUTOMATIC = 0.0
"""The tolerance that stands for the sharing of pixels between materials by nearness."""

_SMALL_PX = 360
_TINY_PX = 420
_DEEPER, _STRICTER = np.float32(1.6), np.float32(1.5)
"""So much deeper may the shade of a tinted material be, and so much less tinted what still is white or light grey."""
_TINTED, _LIT, _SHADED = (0.09, 0.16), (0.25, 0.36), (0.19, 0.28)
"""Differences from a material's nearest centre from which on, and where surely, a pixel is none of it: what is too
small to be a material of its own, such as thin print, and highlights without the dye's colour."""
_FAR = 0.15
"""A colour farther than this from every material of the product is not on it."""
_OFF_LINE = (0.05, 0.10)
"""Distances in OKLab from the line between two materials from which on, and where surely, a pixel mixes others."""
_PURE = 0.12
"""A pixel within this share of the way to another material is wholly of its own; in between it is shared."""
_MASK = "mask:"
ACCEPTED = "all, a colour of the product, x,y on it, mask:PATH, or nothing to find the part"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a product.

    Attributes:
        weight: (H, W), 255 wholly part of it, 0 where not or where there is no product.
        colour: (3,) OKLab median of its solid pixels as they are now.
    """

    weight: Bytes
    colour: Floats


def find_part(scene: Scene, part: str, tolerance: float, operation: str) -> Part:
    """Find a part of the product.

    Args:
        scene: cut out.
        part: "" the material with the largest share; "all"; a colour, for the material that has it; "x,y" in pixels
            or, with a point in both, fractions, for what is connected to it; "mask:PATH", grey, of the scene's size.
        tolerance: `AUTOMATIC`, or the distance in OKLab from the part's colour up to which a pixel belongs to it.
        operation: whose parameter this is, for errors.

    Raises:
        RequestError: no such part.
        InputError: the mask cannot be read.
    """
    alpha, where, said = scene.coverage(operation), f"{operation}.part", part.strip()
    if not (alpha >= SOLID).any():
        raise RequestError(where, "a cut-out without a solid pixel", "a product to change")
    if said.lower() == "all":
        return _measured(scene, np.where(alpha > 0, np.uint8(255), np.uint8(0)), where)
    if said.lower().startswith(_MASK):
        return _measured(scene, _read_mask(scene, said[len(_MASK) :].strip(), where), where)
    small, inside = _small(scene.product, alpha)
    place = read_place(said, scene, where)
    materials = materials_of(small[inside], calm_pixels(small, inside)[inside])
    chosen = _chosen(materials, said, _colour_at(scene.product, place), where)
    weight = _belonging(scene.product, alpha, materials, chosen, tolerance)
    if place is not None:
        weight = _connected(weight, place)
    return _measured(scene, _smoothed(weight, scene.product, alpha), where)


def strips(height: int, width: int) -> Sequence[slice]:
    """Slices of whole rows of about `STRIP_PX` pixels."""
    rows = max(1, STRIP_PX // width)
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def median_colour(product: Bytes, chosen: Mask, most: int = 200_000) -> Floats:
    """(3,) OKLab median of the chosen pixels; of every n-th where there are more than `most`."""
    places = np.flatnonzero(chosen)
    return np.asarray(np.median(oklab_from_srgb(product.reshape(-1, 3)[places[:: -(-len(places) // most)]]), axis=0))


def _measured(scene: Scene, weight: Bytes, where: str) -> Part:
    sure = (weight >= 200) & (scene.coverage(where) >= SOLID)
    if not sure.any():
        sure = (weight > 0) & (scene.coverage(where) > 0)
    if not sure.any():
        raise RequestError(where, "a part without a pixel of the product", ACCEPTED)
    return Part(weight, median_colour(scene.product, sure))


def _read_mask(scene: Scene, path: str, where: str) -> Bytes:
    mask = open_picture(Path(path).expanduser(), where=where)
    if mask.shape[:2] != scene.size:
        (height, width), (rows, columns) = scene.size, mask.shape[:2]
        raise RequestError(where, f"a mask of {columns}×{rows}", f"one of the picture's size there, {width}×{height}")
    grey = mask.max(axis=2)
    return np.where(scene.coverage(where) > 0, grey, np.uint8(0))


def _colour_at(product: Bytes, place: tuple[int, int] | None) -> Floats | None:
    if place is None:
        return None
    reach = max(1, min(product.shape[:2]) // 300)
    row, column = place
    around = product[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    return np.asarray(np.median(oklab_from_srgb(around).reshape(-1, 3), axis=0))


def _small(product: Bytes, alpha: Bytes) -> tuple[Floats, Mask]:
    """A small copy of the product in OKLab, and where it is solid."""
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = alpha[box].shape
    scale = min(1.0, _SMALL_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(product[box], size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(alpha[box], size, interpolation=cv2.INTER_AREA) >= SOLID
    eroded = cv2.erode(inside.view(np.uint8), np.ones((3, 3), np.uint8)) > 0  # outlines mix with what lay behind
    inside = eroded if eroded.sum() > inside.sum() // 2 else inside
    return oklab_from_srgb(np.asarray(small)), inside if inside.any() else np.ones_like(inside)


def _chosen(materials: list[Material], said: str, clicked: Floats | None, where: str) -> int:
    if clicked is None and not said:
        return 0
    wanted = clicked if clicked is not None else colour_named(said)
    if wanted is None:
        raise RequestError(where, f"'{said}'", ACCEPTED)
    distances = [_distance(material, wanted) for material in materials]
    nearest = int(np.argmin(distances))
    if clicked is None and distances[nearest] > _FAR:
        there = ", ".join(
            hex_of((float(m.colour[0]), float(m.colour[1]), float(m.colour[2]))) for m in materials if m.share >= 0.02
        )
        raise RequestError(where, f"'{said}'", f"a colour that the product has ({there})")
    return nearest


def _distance(material: Material, wanted: Floats) -> float:
    to_centres = np.sqrt(((material.centres - space(wanted)) ** 2).sum(-1).min())
    return float(to_centres)


def _belonging(product: Bytes, alpha: Bytes, materials: list[Material], chosen: int, tolerance: float) -> Bytes:
    """(H, W) how much each pixel belongs to the chosen material, 0 to 255."""
    own = materials[chosen].centres
    rest = [material.centres for index, material in enumerate(materials) if index != chosen]
    others = np.concatenate(rest) if rest else np.empty((0, 3), np.float32)
    return mapped(product, alpha > 0, lambda colours: _shares(oklab_from_srgb(colours), own, others, tolerance), bits=7)


def mapped(product: Bytes, where: Mask, function: Callable[[Bytes], Bytes], *, bits: int = 8) -> Bytes:
    """A function of colour at some pixels, computed once for each colour that occurs.

    Args:
        product: (H, W, 3).
        where: (H, W) the pixels; elsewhere the result is 0.
        function: (N, 3) colours -> (N,) or (N, K) bytes.
        bits: of each channel that tell colours apart.

    Returns:
        (H, W) or (H, W, K).
    """
    used = np.zeros(1 << 3 * bits, bool)
    for rows in strips(*where.shape):
        used[_codes(product[rows][where[rows]], bits)] = True
    codes = np.flatnonzero(used)
    colours = np.stack([codes >> 2 * bits, codes >> bits, codes], axis=1) & ((1 << bits) - 1)
    colours = (colours << 8 - bits) + ((1 << 8 - bits) >> 1)
    values = np.concatenate([function(some) for some in _batches(colours.astype(np.uint8))])
    place = np.zeros(len(used), np.int32)
    place[codes] = np.arange(len(codes))
    result = np.zeros((*where.shape, *values.shape[1:]), np.uint8)
    for rows in strips(*where.shape):
        result[rows][where[rows]] = values[place[_codes(product[rows][where[rows]], bits)]]
    return result


def _batches(colours: Bytes) -> list[Bytes]:
    return [colours[start : start + STRIP_PX] for start in range(0, max(len(colours), 1), STRIP_PX)]


def _codes(colours: Bytes, bits: int) -> NDArray[np.int32]:
    r, g, b = ((colours[:, channel] >> (8 - bits)).astype(np.int32) for channel in range(3))
    return r << 2 * bits | g << bits | b


def _shares(lab: Floats, own: Floats, others: Floats, tolerance: float) -> Bytes:
    """(N,) how much each pixel belongs to its own centres, 0 to 255."""
    points = space(lab)
    centre = own[nearest_index(points, own)]
    away = points - centre
    if tolerance != AUTOMATIC:
        share = np.clip(2 - np.sqrt((away**2).sum(axis=1)) / tolerance, 0, 1)
    elif len(others):
        mixed, beside = _mixture(lab, lab_of(centre), lab_of(others[nearest_index(points, others)]))
        share = np.minimum(mixed, 1 - _outside(away, centre) * beside)
    else:
        share = 1 - _outside(away, centre)
    return np.asarray(np.rint(share * 255).astype(np.uint8), np.uint8)


def _mixture(lab: Floats, own: Floats, other: Floats) -> tuple[Floats, Floats]:
    """The share of `own` in pixels (N, 3) that mix it with `other`; and how surely they are no such mixture."""
    axis = own - other
    length = np.maximum((axis**2).sum(axis=1), 1e-6)
    along = ((lab - other) * axis).sum(axis=1) / length
    foot = other + np.clip(along, 0, 1)[:, None] * axis
    beside = np.sqrt(((lab - foot) ** 2).sum(axis=1))
    start, end = _OFF_LINE
    return (
        np.asarray(np.clip((along - _PURE) / (1 - 2 * _PURE), 0, 1), np.float32),
        np.asarray(np.clip((beside - start) / (end - start), 0, 1), np.float32),
    )


def _outside(away: Floats, centre: Floats) -> Floats:
    """How sure a difference (N, 3) from the nearest centre is too large for one material in any light, 0 to 1.

    Shade is told from a dark material by its tint, so that tinted materials may be in deeper shade than grey ones.
    """
    tinted = (centre[:, 1:] ** 2).sum(axis=1) > TINT**2
    tint = np.sqrt((away[:, 1:] ** 2).sum(axis=1))
    tint = np.where(~tinted & (lab_of(centre)[:, 0] > 0.5), tint * _STRICTER, tint)
    found = [
        (tint, _TINTED),
        (away[:, 0], _LIT),
        (-away[:, 0] / np.where(tinted, _DEEPER, np.float32(1)), _SHADED),
    ]
    sure = [np.clip((value - start) / (end - start), 0, 1) for value, (start, end) in found]
    return np.asarray(np.maximum.reduce(sure), np.float32)


def _connected(weight: Bytes, place: tuple[int, int]) -> Bytes:
    """The piece that the click lies in, bridging gaps as narrow as a seam."""
    reach = max(1, min(weight.shape) // 250)
    bridged = cv2.dilate((weight >= 128).view(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8))
    _, pieces = cv2.connectedComponents(bridged, connectivity=8)
    piece = pieces == pieces[place]
    return np.where(piece, weight, np.uint8(0)) if pieces[place] else np.zeros_like(weight)


def _smoothed(weight: Bytes, product: Bytes, alpha: Bytes) -> Bytes:
    """Without speckle, along the photo's own edges: the fast guided filter (He and Sun 2015), its guide being grey."""
    height, width = weight.shape
    scale = min(1.0, 1200 / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = cv2.cvtColor(product, cv2.COLOR_RGB2GRAY)
    guide = cv2.resize(grey, size, interpolation=cv2.INTER_AREA) / np.float32(255)
    solid = (cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) >= SOLID).view(np.uint8)
    solid = cv2.erode(solid, np.ones((3, 3), np.uint8)).astype(np.float32)  # an outline says little, and takes after
    cover = solid + np.float32(1e-3)
    value = cv2.resize(weight, size, interpolation=cv2.INTER_AREA) / np.float32(255)
    side = (5, 5) if max(size) > _TINY_PX else (3, 3)
    total = cv2.blur(cover, side)

    def mean(field: Floats) -> Floats:
        return np.asarray(cv2.blur(field * cover, side) / total)

    average, wanted = mean(guide), mean(value)
    slope = (mean(guide * value) - average * wanted) / (mean(guide * guide) - average**2 + 4e-4)
    slope, offset = mean(np.asarray(slope)), mean(np.asarray(wanted - slope * average))
    offset, slope = np.where(solid > 0, offset, wanted).astype(np.float32), np.asarray(slope * solid, np.float32)
    smooth = np.zeros_like(weight)
    for rows in strips(height, width):
        some = np.array([[scale, 0, scale / 2 - 0.5], [0, scale, (rows.start + 0.5) * scale - 0.5]], np.float32)
        some[0] *= size[0] / (width * scale)
        some[1] *= size[1] / (height * scale)
        line = _enlarged(slope, some, rows, width) * (grey[rows] / np.float32(255)) + _enlarged(
            offset, some, rows, width
        )
        smooth[rows] = np.where(alpha[rows] > 0, np.rint(np.clip((line - 0.08) / 0.84, 0, 1) * 255), 0)
    return smooth


def _enlarged(field: Floats, way: Floats, rows: slice, width: int) -> Floats:
    """Some rows of a small field in the size of the photo."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (width, rows.stop - rows.start)
    return np.asarray(cv2.warpAffine(field, way, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))
