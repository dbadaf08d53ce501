"""Cutting a product out of its photo: a network says where it is, the photo's own colours how much of each pixel."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from packshot.editing.foreign import PREFIX, rembg_coverage
from packshot.editing.scene import SOLID, Bytes, Mask, Scene
from packshot.errors import RequestError
from packshot.packs import Pack, find_pack

KIND = "matting"
WORKING_PX = 1000
"""Longest side at which both sides of the outline are looked at; larger photos are solved with what was seen there."""
MODEL_BLUR = 2.0
"""Pixels at the working size by which an outline is taken to be wrong at the least."""
UNSURE = (0.06, 0.94)
"""The network's coverage between which colours decide."""
DECISION = 2.0
"""Contrast of the network's coverage where it decides alone: a broad half is doubt there, hardly ever half a pixel."""
REACH = 1.6
"""Pixels of the network's own picture by which its outline may be wrong."""
TELLING = 0.10
"""Distance of product and background in RGB (0 to 1.7) from which on colours are wholly believed; below half, not."""
SPECK = 0.01
"""Pieces smaller than this share of the largest one are dropped, and holes smaller than a tenth of it are filled."""
STRANGE = 0.12
"""Distance in RGB of a pixel to the line between both sides' colours at which trust falls to a third."""
WINDOWS = {2: 1.0, 4: 1.0, 8: 0.5, 32: 0.0}
"""Windows in which colours are looked for, in reaches, and how far such colours are believed."""
RIM_PX = 25
"""Window within which soft pixels belong to a piece, at the working size."""
STRIP_PX = 512
"""Rows of a large photo that are solved at a time."""
NOTHING = 0.002
"""Share of the picture below which nothing was found."""
Floats = NDArray[np.floating[Any]]
"""float32 wherever pictures are large."""


def cutout(scene: Scene, pack: str = "cutout") -> Scene:
    """Cut the product out: soft coverage, colours without the background's, solid pixels copied.

    The network's coverage is kept where it is sure. Along the outline each pixel is a mixture I = aF + (1 - a)B of
    product and background near it (Porter and Duff 1984), solved for a where the two differ; colours F of mixed pixels
    come from blur fusion (Forte 2021, "Approximate Fast Foreground Colour Estimation", section 3).

    Args:
        scene: not cut out yet; one that is keeps its coverage.
        pack: name or folder of a pack of the kind `matting`, or `rembg:` and the name of one of rembg's models.

    Raises:
        RequestError: no product is found, or rembg has no such model.
        PackError: there is no such pack, or it is damaged.
        MissingExtraError: rembg is asked for and not installed.
    """
    if scene.alpha is not None:
        return scene
    alpha = _solved(scene.product, pack)
    if float((alpha > 127).mean()) < NOTHING:
        raise RequestError(
            "cutout", "a picture in which no product was found", "a photo that shows one product clearly"
        )
    return replace(scene, alpha=alpha, product=_unmixed(scene.product, alpha))


def network_coverage(photo: Bytes, pack: Pack) -> Floats:
    """What the network alone says: (H, W, 3) sRGB -> (S, S) in [0, 1], S being the side the pack works at."""
    side = int(pack.manifest["matting"]["side"])
    shrinks = max(photo.shape[:2]) > side
    small = cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    x = np.ascontiguousarray(small.astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1)
    (found,) = pack.session("matting.onnx").run(None, {"photo": x})
    return np.asarray(found[0, 0], np.float32)


def _solved(photo: Bytes, pack: str) -> Bytes:
    """Coverage (H, W) at the photo's size."""
    height, width = photo.shape[:2]
    scale = min(1.0, WORKING_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    working = photo if scale == 1 else np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
    coarse: Floats
    if pack.startswith(PREFIX):
        coarse = rembg_coverage(working, pack.removeprefix(PREFIX)) / np.float32(255)
    else:
        coarse = network_coverage(working, find_pack(pack, (KIND,)))
    rough = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    sides = _sides(working, rough, REACH * max(MODEL_BLUR, max(size) / max(coarse.shape)))
    alpha = _mixture(working, sides)
    dropped, filled = _specks(alpha)
    if scale < 1:
        alpha = np.empty((height, width), np.float32)
        for top in range(0, height, STRIP_PX):
            rows = slice(top, min(height, top + STRIP_PX))
            view = partial(_strip, size=(width, rows.stop - top), top=top, scale=(size[0] / width, size[1] / height))
            strip = _mixture(photo[rows], _Sides(*(view(part) for part in sides)))
            strip[view(dropped.astype(np.float32)) > 0.5] = 0
            strip[view(filled.astype(np.float32)) > 0.5] = 1
            alpha[rows] = strip
    else:
        alpha[dropped], alpha[filled] = 0, 1
    return np.asarray(np.rint(_steepened(alpha) * 255), np.uint8)


class _Sides(NamedTuple):
    """What is known around an outline; (H, W) or (H, W, 3) float32.

    Attributes:
        ours: colours of the product near each pixel.
        theirs: of the background.
        near: 1 where both were seen near by, 0 where they are a guess from afar.
        decided: the network's coverage, its doubts made smaller.
        inside: 1 where the product is sure.
        outside: 1 where the background is.
    """

    ours: Floats
    theirs: Floats
    near: Floats
    decided: Floats
    inside: Floats
    outside: Floats


def _sides(photo: Bytes, rough: Floats, reach: float) -> _Sides:
    """Colours on both sides of the outline.

    Args:
        photo: (H, W, 3) sRGB.
        rough: (H, W) the network's coverage.
        reach: pixels by which its outline may be wrong.
    """
    size = 2 * max(1, round(reach)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    inside = cv2.erode((rough > 0.5).astype(np.uint8), disc) * (rough > UNSURE[1])
    outside = cv2.erode((rough <= 0.5).astype(np.uint8), disc) * (rough < UNSURE[0])
    image = photo.astype(np.float32) / 255
    (ours, near), (theirs, close) = (_spread(image, known.astype(np.float32), reach) for known in (inside, outside))
    decided = ((rough - 0.5) * DECISION + 0.5).clip(0, 1)
    return _Sides(ours, theirs, near * close, decided, inside.astype(np.float32), outside.astype(np.float32))


def _mixture(photo: Bytes, sides: _Sides) -> Floats:
    """Coverage (H, W): whole inside, none outside, and between them solved from the mixture of both sides' colours.

    A third colour there is neither, and where the two sides look alike nothing can be solved: the network decides.
    """
    alpha = np.asarray(sides.inside > 0.5, np.float32)
    band = (sides.inside <= 0.5) & (sides.outside <= 0.5)
    pixels, ours, theirs, near, decided = (part[band] for part in (photo, *sides[:4]))
    towards, span = pixels.astype(np.float32) / 255 - theirs, ours - theirs
    squared = (span**2).sum(-1)
    mixed = ((towards * span).sum(-1) / np.maximum(squared, 1e-6)).clip(0, 1)
    residual = ((towards - mixed[..., None] * span) ** 2).sum(-1)
    trust = ((np.sqrt(squared) / TELLING - 0.5) * 2).clip(0, 1) * np.exp(-residual / STRANGE**2) * near
    alpha[band] = trust * mixed + (1 - trust) * decided
    return alpha


def _strip(field: Floats, *, size: tuple[int, int], top: int, scale: tuple[float, float]) -> Floats:
    """Rows from `top` on of a field enlarged to the photo's size, pixel centres on pixel centres."""
    across, down = scale
    place = np.array([[across, 0, across / 2 - 0.5], [0, down, (top + 0.5) * down - 0.5]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(field, place, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _spread(image: Floats, known: Floats, reach: float) -> tuple[Floats, Floats]:
    """Colours of the known pixels near each pixel, and 1 where they are near, 0 where far.

    They are means over growing windows, the smallest that holds any.
    """
    result, near = image.copy(), np.zeros(known.shape, np.float32)
    missing = np.ones(known.shape, np.bool_)
    for factor, closeness in WINDOWS.items():
        window = (2 * max(1, round(reach * factor / 2)) + 1,) * 2
        weight = cv2.blur(known, window)
        mean = cv2.blur(image * known[..., None], window) / np.maximum(weight, 1e-6)[..., None]
        fresh = missing & (weight > 0.02)
        result[fresh], near[fresh] = mean[fresh], closeness
        missing &= ~fresh
        if not missing.any():
            break
    return result, np.asarray(cv2.blur(near, (2 * round(reach) + 1,) * 2), np.float32)


def _steepened(alpha: Floats) -> Floats:
    """Coverage with its ends made exact: below 3 % none, above 97 % whole."""
    return ((alpha - 0.03) / 0.94).clip(0, 1)


def _specks(alpha: Floats) -> tuple[Mask, Mask]:
    """Pieces that are small beside the largest one, with their soft rims, and pinholes."""
    solid = (alpha > 0.5).astype(np.uint8)
    count, labels, facts, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    none = np.zeros(alpha.shape, np.bool_)
    if count < 2:
        return none, none
    areas = np.where(np.arange(count) > 0, facts[:, cv2.CC_STAT_AREA], 0)
    kept = (areas >= SPECK * areas.max())[labels]
    reach = np.ones((RIM_PX, RIM_PX), np.uint8)
    dropped = ~kept & (cv2.dilate(kept.astype(np.uint8), reach) == 0)
    dropped |= (solid > 0) & ~kept
    _, labels, facts, _ = cv2.connectedComponentsWithStats((~kept).astype(np.uint8), connectivity=4)
    pinhole = facts[:, cv2.CC_STAT_AREA] < SPECK / 10 * areas.max()
    pinhole[0] = False
    return dropped, pinhole[labels] & (alpha < UNSURE[1]) & ~dropped


def _unmixed(photo: Bytes, alpha: Bytes) -> Bytes:
    """The product's own colours where it covers a pixel partly; solid pixels and those without any are copied."""
    mixed = (alpha < SOLID) & (alpha > 0)
    if not mixed.any():
        return photo
    rows, columns = np.flatnonzero(mixed.any(1)), np.flatnonzero(mixed.any(0))
    margin = 8
    top, left = max(0, rows[0] - margin), max(0, columns[0] - margin)
    window = (slice(top, rows[-1] + 1 + margin), slice(left, columns[-1] + 1 + margin))
    image, a = photo[window].astype(np.float32) / 255, alpha[window].astype(np.float32) / 255
    colour: Floats = image
    scale = max(1.0, max(photo.shape[:2]) / 1000)
    for radius in (round(24 * scale), round(4 * scale)):
        colour = _blur_fusion(image, a, colour, radius)
    result = photo.copy()
    place = mixed[window]
    result[window][place] = np.rint(colour[place].clip(0, 1) * 255).astype(np.uint8)
    return result


def _blur_fusion(image: Floats, alpha: Floats, colour: Floats, radius: int) -> Floats:
    window, a = (2 * radius + 1,) * 2, alpha[..., None]
    weight = cv2.blur(alpha, window)[..., None]
    front = cv2.blur(colour * a, window) / np.maximum(weight, 1e-4)
    behind = cv2.blur(image * (1 - a), window) / np.maximum(1 - weight, 1e-4)
    return np.asarray(front + a * (image - a * front - (1 - a) * behind), np.float32)
