"""What every editing operation takes and gives: a product, what lies behind it and what lies over it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from packshot.errors import RequestError

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
OPAQUE = 255
SOLID = 250
"""Coverage from which on a pixel counts as the product's own, with nothing of the background in it."""
GLASS_COVERS = np.uint8(150)
"""Coverage that glass has for what stands on a ground and casts a shadow: over half, and not all."""
_STRIP_ROWS = 64


@dataclass(frozen=True, slots=True)
class Reduction:
    """How the photo was resampled, once and as a whole, into the picture.

    Attributes:
        box: left, top, right, bottom of the part of the photo that was resampled, in the photo's pixels; beyond it
            where the scene was larger than the photo.
        at: left, top, right, bottom that it takes in the present picture, possibly outside of it.
        whole: (height, width) of `at`: pixels made of nothing but the product's own, opaque ones; None where unknown.
    """

    box: tuple[float, float, float, float]
    at: tuple[int, int, int, int]
    whole: Mask | None = field(default=None, repr=False, compare=False)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the part after resampling."""
        return self.at[3] - self.at[1], self.at[2] - self.at[0]

    @property
    def factor(self) -> float:
        """A length after resampling over what it was in the photo."""
        return (self.at[2] - self.at[0]) / (self.box[2] - self.box[0])

    def moved(self, down: int, right: int) -> Reduction:
        """The same in a picture whose first pixel is another."""
        left, top, end, bottom = self.at
        return replace(self, at=(left + right, top + down, end + right, bottom + down))

    def whole_in(self, size: tuple[int, int]) -> Mask:
        """`whole` in a picture of (height, width)."""
        seen = np.zeros(size, bool)
        left, top, right, bottom = self.at
        y0, y1, x0, x1 = max(top, 0), min(bottom, size[0]), max(left, 0), min(right, size[1])
        if y0 < y1 and x0 < x1 and self.whole is not None:
            seen[y0:y1, x0:x1] = self.whole[y0 - top : y1 - top, x0 - left : x1 - left]
        return seen


@dataclass(frozen=True, slots=True)
class Light:
    """Where the light of a place comes from, as far as one main light says it.

    Attributes:
        towards: x to the right, y up, z to the viewer: a direction from the product to the light, of any length.
        softness: 0 a hard sun to 1 an overcast sky, as `shadow` takes it.
    """

    towards: tuple[float, float, float]
    softness: float = 0.5

    @property
    def ground_angle(self) -> float:
        """Degrees on the ground that the product stands on: 0 right, 90 behind, 180 left, 270 before."""
        return math.degrees(math.atan2(-self.towards[2], self.towards[0])) % 360

    @property
    def picture_angle(self) -> float:
        """Degrees in the picture's plane: 0 right, 90 above."""
        return math.degrees(math.atan2(self.towards[1], self.towards[0])) % 360

    def mirrored(self, axis: str) -> Light:
        """As seen in a picture that was flipped, "horizontal" or "vertical"."""
        x, y, z = self.towards
        return replace(self, towards=(-x, y, z) if axis == "horizontal" else (x, -y, z))

    def turned(self, degrees: float) -> Light:
        """As seen in a picture that was turned clockwise."""
        x, y, z = self.towards
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        return replace(self, towards=(x * cos + y * sin, y * cos - x * sin, z))


@dataclass(frozen=True, slots=True)
class Made:
    """What a generative model has put into the picture.

    Attributes:
        operation: that asked it.
        model: name of its folder.
        pipeline: class that ran it.
        sha256: of its configuration and weights.
        sizes: of each part, (width, height) as it was made and as it was shown then.
    """

    operation: str
    model: str
    pipeline: str
    sha256: str
    sizes: tuple[tuple[tuple[int, int], tuple[int, int]], ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture in layers of one size (H, W), bottom to top: backdrop, shade, product, overlay.

    The arrays are never written into: an operation makes new ones.

    Attributes:
        product: (H, W, 3) sRGB. Before a cut-out the whole photo; after it the product's own colours, also in pixels
            that it only partly covers. Where `alpha` is at least `SOLID` they are the photo's pixels, byte for byte,
            unless an operation whose purpose is another colour changed them.
        alpha: (H, W) coverage by the product, 255 whole; None as long as nothing was cut out.
        backdrop: (H, W, 3) sRGB behind the product; None for transparency.
        shade: (H, W) how much of the backdrop's light gets through, 255 all of it; None without shadows.
        overlay: (H, W, 4) straight-alpha sRGB over everything: text and badges; None without.
        placement: (top, left) of the photo's own pixel (0, 0) in this scene, possibly outside of it; None as soon as
            pixels were resampled, turned or mirrored, so that no pixel of the photo lies in one place any more.
        touched: (H, W) where an operation meant to change the product (recolour, erase); None where nowhere.
        reduced: set where `placement` is None only because fit resampled the photo, once and as a whole.
        light: of the place behind the product; None where there is no place, or its light cannot be told.
        tint: (H, W, 3) what of the backdrop's light passes where the product is glass, at most 254; 255 where it is not
            glass; None without glass. There `alpha` is what the glass adds of its own, such as highlights.
        made: what generative models have put into it, in order; a place that another one took the place of is left out.
    """

    product: Bytes
    alpha: Bytes | None = None
    backdrop: Bytes | None = None
    shade: Bytes | None = None
    overlay: Bytes | None = None
    placement: tuple[int, int] | None = (0, 0)
    touched: Mask | None = None
    reduced: Reduction | None = None
    light: Light | None = None
    tint: Bytes | None = None
    made: tuple[Made, ...] = ()

    def __post_init__(self) -> None:
        """Refuse layers of different sizes: a bug of an operation, not a user's mistake."""
        size = self.product.shape[:2]
        for name in ("alpha", "backdrop", "shade", "overlay", "tint", "touched"):
            layer = getattr(self, name)
            if layer is not None and layer.shape[:2] != size:
                raise ValueError(f"{name} is {layer.shape[:2]} where the product is {size}")
        if self.placement is not None and self.reduced is not None:
            raise ValueError("a picture was resampled or it was not")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.product.shape[:2]
        return height, width

    def coverage(self, operation: str) -> Bytes:
        """The product's alpha.

        Raises:
            RequestError: nothing was cut out yet; `operation` is named as what wanted it.
        """
        if self.alpha is None:
            raise RequestError(operation, "a picture that is not cut out", "a step cutout before it")
        return self.alpha

    @property
    def glass(self) -> Mask | None:
        """(H, W) where the product is glass; None without."""
        return None if self.tint is None else np.asarray(self.tint.min(-1) < OPAQUE)

    def silhouette(self, operation: str) -> Bytes:
        """The coverage with glass as `GLASS_COVERS`: what stands there and takes light.

        Raises:
            RequestError: see `coverage`.
        """
        alpha, glass = self.coverage(operation), self.glass
        return alpha if glass is None else np.where(glass, np.maximum(alpha, GLASS_COVERS), alpha)

    def with_touched(self, mask: Mask) -> Scene:
        """The scene with these pixels, too, marked as meant to change."""
        return replace(self, touched=mask if self.touched is None else self.touched | mask)


def flatten(scene: Scene) -> Bytes:
    """What one sees: (H, W, 3), or (H, W, 4) with straight alpha where there is no backdrop behind a cut-out.

    Glass without a backdrop gets the coverage and colour that look right on white: no file holds a tint.
    Solid pixels of the product are copied. Coverage mixes sRGB values, as every viewer does (Porter and Duff 1984,
    "over"). A shadow without a backdrop becomes black of the coverage that lets the same light through on white.
    """
    if scene.alpha is None:
        seen = scene.product
    elif scene.backdrop is None:
        seen = _without_backdrop(scene)
    else:
        backdrop = scene.backdrop
        if scene.shade is not None:
            backdrop = _over(np.zeros_like(backdrop), OPAQUE - scene.shade, backdrop)
        if scene.tint is not None:
            backdrop = _tinted(backdrop, scene.tint)
        seen = _over(scene.product, _snapped(scene.alpha), backdrop)
    return seen if scene.overlay is None else _with_overlay(seen, scene.overlay)


def _without_backdrop(scene: Scene) -> Bytes:
    assert scene.alpha is not None
    if scene.tint is not None:
        colour, alpha = _glass_on_white(scene.product, scene.alpha, scene.tint)
        return _without_backdrop(replace(scene, product=colour, alpha=alpha, tint=None))
    if scene.shade is None:
        return np.dstack([scene.product, scene.alpha])
    product, dark = _snapped(scene.alpha).astype(np.uint32), 255 - scene.shade.astype(np.uint32)
    behind = _rounded(dark * (255 - product)).astype(np.uint32)
    total = product + behind
    colour = (scene.product * product[..., None] + total[..., None] // 2) // np.maximum(total, 1)[..., None]
    return np.dstack([colour, total]).astype(np.uint8)


def _tinted(backdrop: Bytes, tint: Bytes) -> Bytes:
    seen = backdrop.copy()
    for top in range(0, len(tint), _STRIP_ROWS):
        rows = slice(top, top + _STRIP_ROWS)
        seen[rows] = _rounded(backdrop[rows].astype(np.uint16) * tint[rows])
    return seen


def _glass_on_white(product: Bytes, alpha: Bytes, tint: Bytes) -> tuple[Bytes, Bytes]:
    """Colour and coverage that are as glass before white, and let through what its darkest channel does."""
    glass = (tint.min(-1) < OPAQUE) & (alpha < SOLID)
    own, passing = alpha[glass].astype(np.float32)[:, None] / 255, tint[glass].astype(np.float32) / 255
    least = passing.min(-1, keepdims=True)
    cover = 1 - (1 - own) * least
    mixed = own * product[glass] + 255 * (1 - own) * (passing - least)
    colour, whole = product.copy(), alpha.copy()
    colour[glass] = np.rint(np.clip(mixed / np.maximum(cover, 1e-6), 0, 255))
    whole[glass] = np.minimum(np.rint(255 * cover[:, 0]), SOLID - 1)
    return colour, whole


def _with_overlay(seen: Bytes, overlay: Bytes) -> Bytes:
    if seen.shape[2] == 3:
        return _over(overlay[..., :3], overlay[..., 3], seen)
    top, below = overlay[..., 3].astype(np.uint32), seen[..., 3].astype(np.uint32)
    behind = _rounded(below * (255 - top)).astype(np.uint32)
    total = top + behind
    mixed = overlay[..., :3] * top[..., None] + seen[..., :3] * behind[..., None]
    colour = (mixed + total[..., None] // 2) // np.maximum(total, 1)[..., None]
    return np.dstack([colour, total]).astype(np.uint8)


def _snapped(alpha: Bytes) -> Bytes:
    """Solid is opaque, so that those pixels are copied."""
    return np.where(alpha >= SOLID, np.uint8(OPAQUE), alpha)


def _over(colour: Bytes, alpha: Bytes, below: Bytes) -> Bytes:
    """In strips, and reckoning only in those where something is mixed: large pictures have no room for more."""
    mixed = below.copy()
    for top in range(0, len(below), _STRIP_ROWS):
        rows = slice(top, top + _STRIP_ROWS)
        columns = np.flatnonzero(alpha[rows].any(axis=0))
        if len(columns):
            part = (rows, slice(int(columns[0]), int(columns[-1]) + 1))
            cover = alpha[part][..., None].astype(np.uint16)
            mixed[part] = _rounded(colour[part] * cover + below[part] * (OPAQUE - cover))
    return mixed


def _rounded(product: NDArray[np.uint16] | NDArray[np.uint32]) -> Bytes:
    return ((product + 127) // 255).astype(np.uint8)
