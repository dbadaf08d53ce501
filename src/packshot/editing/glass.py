"""Glass and clear plastic before a plain light background: what passes through each pixel, solved from one photo.

With the background B known, a pixel is I = a F + (1 - a) T B (Porter and Duff 1984, "over", with a coloured matte:
Zongker et al. 1999, "Environment Matting", without its refraction): one equation for three unknowns. Glass is nearly
colourless and reflects white surroundings, so F is white; a is a small constant, and more where a pixel is brighter
than the glass around it (a highlight); T is what is left. Before its own background the glass looks as in the photo.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from packshot.colour import oklab_from_srgb
from packshot.editing.blurring import soft
from packshot.editing.erase import mask_of
from packshot.editing.noise import Field
from packshot.editing.scene import OPAQUE, SOLID, Bytes, Mask, Scene
from packshot.errors import RequestError

AUTO = ("auto", "yes")
_NEAR, _FAR = 0.13, 0.30
"""Distances in OKLab from the background between which a pixel turns from glass to solid."""
_COLOURLESS = 3.0
"""Weight of a distance in chroma against one in lightness: cream caps and labels are not glass."""
_LEAST_LIGHT, _MOST_CHROMA = 0.82, 0.05
"""Of a background in OKLab, for glass before it to be seen."""
_MOST_UNEVEN = 0.035
"""Median deviation of the background from a smooth field, of its range, up to which it is plain."""
_REFLECTED = 0.12
"""What a vessel reflects of white surroundings: 4 % at each surface (Fresnel, index 1.5), of four that one looks
through, the hind ones in the shade."""
_HIGHLIGHT = 0.03
"""Radius of what may be a highlight, in shares of the product's longer side: larger light parts are clear glass."""
_CLEAR = 0.90
"""Transmission over which no highlight can be told from the background."""
_SPECK = 0.004
"""Least part of the product that is a piece of glass of its own."""
_THINNEST = 0.012
"""Radius of a disc, in shares of the product's longer side, that fits into every piece of glass: glints of chrome are
thinner."""
_SAMPLE = 40_000
_FAINT, _FAINTER = 0.3, 2.0
"""What a floor mirrors of a product darkens the background by less than the first, and the product above it by more
than the second times as much."""
_FLOOR = (0.60, 0.97)
"""Part of the product's height in which a floor is looked for."""
_AS_WIDE = 0.4
"""Least width of a reflection over that of what it mirrors."""
_MIRRORED = (0.01, 0.25)
"""Least and largest share of the found product that may be a reflection: less is its own soft outline."""
_TINGED = 0.02
"""Chroma from which on light in the midst of a coloured part of its hue is a highlight; clear glass has none."""
_ONE_HUE = 0.8
"""Least cosine between two hues that are one."""


def with_glass(scene: Scene, photo: Bytes, said: str, frosted: float = 0.0) -> Scene:
    """A cut-out whose glass lets the backdrop through. What a floor mirrors of it is no product, where that is found.

    Args:
        scene: cut out just now.
        photo: (H, W, 3) before the cut-out.
        said: one of `AUTO`, or a mask's text as `erase.mask_of` reads it.
        frosted: 0 clear, to 1 as solid as before: how much of the light that comes from glass it scatters itself.

    Raises:
        RequestError: `frosted` out of range, a background that is not plain and light, or a mask that says no place.
        InputError: the mask's picture cannot be read.
    """
    if not 0 <= frosted <= 1:
        raise RequestError("cutout.frosted", f"{frosted:g}", "0 to 1")
    alpha = scene.coverage("cutout.glass")
    automatic = said.strip().lower() in AUTO
    where = alpha > 0 if automatic else mask_of(said, scene.size, "cutout.glass") & (alpha > 0)
    rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
    if not len(rows):
        return scene
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    behind = _Background(photo, alpha)(box)
    product, cover, tint = scene.product.copy(), alpha.copy(), np.full_like(photo, OPAQUE)
    share = where[box].astype(np.float32)
    if automatic:
        floor = _floor(photo[box], alpha[box], behind)
        cover[box][floor:] = 0
        share = _shares(photo[box], behind, cover[box] > 0)
    product[box], cover[box], tint[box] = _solved(product[box], cover[box], behind, share, frosted)
    return replace(scene, product=product, alpha=cover, tint=tint if (tint < OPAQUE).any() else None)


class _Background:
    """A smooth field over the photo's background: a quadratic for each channel, by least squares.

    Calling it with a box gives (h, w, 3) there, 1 to 255.
    """

    def __init__(self, photo: Bytes, alpha: Bytes) -> None:
        """Fit it.

        Raises:
            RequestError: there is too little background, or it is not plain and light.
        """
        self._size = alpha.shape
        rows, columns = np.nonzero(cv2.dilate(alpha, np.ones((7, 7), np.uint8)) == 0)
        every = max(1, len(rows) // _SAMPLE)
        rows, columns = rows[::every], columns[::every]
        accepted = "glass before a plain light background, as in a studio"
        if len(rows) < 200:
            raise RequestError("cutout.glass", "a product that leaves hardly any background", accepted)
        seen = photo[rows, columns].astype(np.float64)
        terms = self._terms(rows, columns)
        weight = np.ones(len(rows))
        for _ in range(3):  # shadows and reflections near the product count less and less
            self._of = np.linalg.lstsq(terms * weight[:, None], seen * weight[:, None], rcond=None)[0]
            apart = np.abs(seen - terms @ self._of).max(1)
            weight = 1 / (1 + (apart / max(2.0, 2 * float(np.median(apart)))) ** 2)
        lab = oklab_from_srgb(np.clip(np.median(seen, axis=0), 0, 255).astype(np.uint8)[None, None])[0, 0]
        uneven = float(np.median(apart)) / 255
        if lab[0] < _LEAST_LIGHT or np.hypot(lab[1], lab[2]) > _MOST_CHROMA or uneven > _MOST_UNEVEN:
            raise RequestError("cutout.glass", "a background that is dark, coloured or busy", accepted)

    def __call__(self, box: tuple[slice, slice]) -> Field:
        """The field in a box."""
        rows, columns = np.mgrid[box]
        field = self._terms(rows.ravel(), columns.ravel()) @ self._of
        return np.asarray(np.clip(field, 1, 255).reshape(*rows.shape, 3), np.float32)

    def _terms(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        y, x = rows / self._size[0] - 0.5, columns / self._size[1] - 0.5
        return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], 1)


def _floor(photo: Bytes, alpha: Bytes, behind: Field) -> int:
    """The row from which on what was cut out is a mirror image on the floor; the height where none is found.

    Row by row, from how much nine tenths of the pixels darken the background at the most: a reflection is all faint,
    and begins where the product ends.
    """
    height = len(alpha)
    on = alpha > 127
    dark = np.maximum(1 - photo / behind, 0).max(-1).astype(np.float32)
    rows = zip(cv2.blur(np.where(on, dark, np.float32(0)), (3, 1)), on, strict=True)
    darkest = np.array([np.quantile(row[there], 0.9) if there.sum() > 3 else 0 for row, there in rows])
    width, area = on.sum(1), np.cumsum(on.sum(1))
    below = np.maximum.accumulate(np.append(darkest, (0, 0))[::-1])[::-1]
    margin = max(2, round((1 - _FLOOR[1]) * height))
    found, most = height, _FAINTER
    for row in range(round(_FLOOR[0] * height), height - margin):
        under = float(below[row + 2])
        step = float(darkest[row - 1 : row + 1].max()) / max(under, 0.03)
        wide = width[row + 2 : row + 2 + margin].mean() >= _AS_WIDE * width[row]
        share = float(area[-1] - area[row]) / max(float(area[-1]), 1.0)
        if step > most and wide and under < _FAINT and _MIRRORED[0] < share < _MIRRORED[1]:
            found, most = row + 1, step
    return found


def _highlights(apart: Field, labels: np.ndarray, count: int, where: Mask) -> Mask:
    """(count,) pieces that are highlights on a coloured part: in its midst, and tinged with its hue."""
    found = np.zeros(count, bool)
    for name in range(1, count):
        piece = labels == name
        ring = (cv2.dilate(piece.astype(np.uint8), _disc(4)) > 0) & (cv2.dilate(piece.astype(np.uint8), _disc(2)) == 0)
        if not ring.any() or not where[ring].all():
            continue
        around, inside = np.median(apart[ring, 1:], axis=0), np.median(apart[piece, 1:], axis=0)
        strong, weak = float(np.hypot(*around)), float(np.hypot(*inside))
        found[name] = weak > _TINGED and strong > weak and float(around @ inside) > _ONE_HUE * strong * weak
    return found


def _shares(photo: Bytes, behind: Field, where: Mask) -> Field:
    """(h, w) how much of each pixel is glass: near the background in colour, in pieces that are no specks."""
    apart = oklab_from_srgb(photo) - oklab_from_srgb(np.rint(behind).astype(np.uint8))
    distance = np.hypot(apart[..., 0], _COLOURLESS * np.hypot(apart[..., 1], apart[..., 2]))
    near = np.clip((_FAR - distance) / (_FAR - _NEAR), 0, 1)
    share = np.where(where, near * near * (3 - 2 * near), 0).astype(np.float32)
    pieces = (share > 0.5).astype(np.uint8)
    _, labels, facts, _ = cv2.connectedComponentsWithStats(pieces)
    large = facts[:, cv2.CC_STAT_AREA] >= max(4, _SPECK * int(where.sum()))
    wide = cv2.erode(pieces, _disc(max(1, round(_THINNEST * max(where.shape)))), borderValue=0)
    large &= np.bincount(labels[wide > 0], minlength=len(large)) > 0
    large[0] = False
    large &= ~_highlights(apart, labels, len(large), where)
    belongs = cv2.dilate(large[labels].astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return np.where(belongs, share, 0).astype(np.float32)


def _solved(product: Bytes, alpha: Bytes, behind: Field, share: Field, frosted: float) -> tuple[Bytes, Bytes, Bytes]:
    """Colour, coverage and tint of a part whose coverage and colours are those of the outline."""
    outline, own = alpha.astype(np.float32)[..., None] / 255, product.astype(np.float32)
    adds = _added(own / behind, share > 0.5)[..., None]
    part = share[..., None]
    passing = np.clip((own - 255 * adds) / ((1 - adds) * behind), 0, 1)
    clear = part * (1 - frosted)  # the rest of it hides the backdrop, and has the photo's colour
    inner = 1 - clear * (1 - adds)  # of the product's own pixel, what hides the backdrop
    colour = ((1 - clear) * own + clear * adds * 255) / np.maximum(inner, 1e-6)
    cover = outline * inner
    through = ((1 - outline) + outline * clear * (1 - adds) * passing) / np.maximum(1 - cover, 1e-6)
    codes = np.rint(255 * cover[..., 0]).astype(np.uint8)
    glass = (share > 0) & (alpha > 0) & (codes < SOLID)
    tint = np.minimum(np.rint(255 * through), OPAQUE - 1).astype(np.uint8)
    return (
        np.where(glass[..., None], np.rint(np.clip(colour, 0, 255)), product).astype(np.uint8),
        np.where(glass, codes, alpha),
        np.where(glass[..., None], tint, np.uint8(OPAQUE)),
    )


def _added(ratio: Field, glass: Mask) -> Field:
    """(h, w) coverage by reflected white: a little everywhere, more in what is brighter than the glass around it."""
    grey = np.clip(ratio.min(-1), 0, 1).astype(np.float32)
    radius = max(1, round(_HIGHLIGHT * max(grey.shape)))
    opened = cv2.morphologyEx(np.where(glass, grey, np.float32(1)), cv2.MORPH_OPEN, _disc(radius))
    around = np.minimum(soft(np.asarray(opened, np.float32), radius / 2), grey)
    told = np.clip((_CLEAR - around) / 0.1, 0, 1)
    shine = told * (grey - around) / np.maximum(1 - around, 0.05)
    adds = 1 - (1 - _REFLECTED) * (1 - np.clip(shine, 0, 1))
    return np.asarray(np.minimum(adds, 0.97 * grey), np.float32)


def _disc(radius: int) -> Bytes:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2), np.uint8)
