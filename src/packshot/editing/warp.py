"""Geometry for every layer of a scene at once: exact permutations, windows, sizes and homographies.

Colours that a cut-out covers in part are weighted by their coverage before they are mixed and divided by it afterwards
(Porter and Duff 1984, "premultiplied"), so that nothing of what lay behind the product gets into its rim.

Reductions average light, not sRGB values: fine stripes keep the brightness that an eye sees from afar. Everything else
interpolates sRGB values, since a kernel's overshoot, made in light, is seen as a dark line beside every edge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from packshot.colour import linear_from_srgb
from packshot.editing.scene import OPAQUE, Bytes, Mask, Scene
from packshot.errors import RequestError
from packshot.images import MAX_PIXELS

Matrix = NDArray[np.float64]
Box = tuple[int, int, int, int]

SEEN = 8
"""Coverage over which a pixel counts as the product's when its box is taken: less is a haze that nobody sees."""
_STRIP = 512  # rows made at once: keeps the weighted copies small
_LIMIT = 32_000  # OpenCV counts a warp's pixels along a side in 16 bits
_CODES = 1 << 14
_SRGB_OF_LIGHT: Bytes = np.rint(
    255
    * np.where(
        (_light := np.arange(_CODES) / (_CODES - 1)) <= 0.0031308, 12.92 * _light, 1.055 * _light ** (1 / 2.4) - 0.055
    )
).astype(np.uint8)


def product_box(scene: Scene, operation: str) -> Box:
    """Left, top, right, bottom of the product; right and bottom are exclusive.

    Raises:
        RequestError: nothing was cut out, or nothing is left of the product.
    """
    alpha = scene.coverage(operation)
    rows = np.flatnonzero(alpha.max(axis=1) > SEEN)
    columns = np.flatnonzero(alpha.max(axis=0) > SEEN)
    if not len(rows):
        raise RequestError(operation, "a cut-out without a product", "a picture with a product that the cut-out finds")
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def check_pixels(width: float, height: float, where: str) -> None:
    """Refuse results that would be too large.

    Raises:
        RequestError: more than `MAX_PIXELS`.
    """
    if width * height > MAX_PIXELS:
        raise RequestError(where, f"a result of {width:.0f}×{height:.0f} pixels", f"at most {MAX_PIXELS:,} pixels")


def permuted(scene: Scene, order: Callable[[NDArray[Any]], NDArray[Any]]) -> Scene:
    """Every layer with its pixels in another order: mirrored, or turned by quarters. No value changes."""

    def layer(pixels: NDArray[Any] | None) -> Any:
        return None if pixels is None else np.ascontiguousarray(order(pixels))

    return Scene(
        product=layer(scene.product),
        alpha=layer(scene.alpha),
        backdrop=layer(scene.backdrop),
        shade=layer(scene.shade),
        overlay=layer(scene.overlay),
        placement=None,
        tint=layer(scene.tint),
        touched=layer(scene.touched),
        light=scene.light,
        made=scene.made,
    )


def window(scene: Scene, left: int, top: int, size: tuple[int, int]) -> Scene:
    """A window (height, width) of the scene whose first pixel is (top, left); every pixel is copied.

    Placement and reduction are kept.

    Where the window reaches beyond the scene there is no product; the backdrop and the shade go on from their edges,
    and what was not cut out goes on from its own.
    """

    def layer(pixels: NDArray[Any] | None, beyond: int | None) -> Any:
        return None if pixels is None else _window(pixels, left, top, size, beyond)

    placement = scene.placement and (scene.placement[0] - top, scene.placement[1] - left)
    return Scene(
        product=layer(scene.product, None if scene.alpha is None else 0),
        alpha=layer(scene.alpha, 0),
        backdrop=layer(scene.backdrop, None),
        shade=layer(scene.shade, None),
        overlay=layer(scene.overlay, 0),
        placement=placement,
        tint=layer(scene.tint, 255),
        touched=layer(scene.touched, 0),
        reduced=scene.reduced and scene.reduced.moved(-top, -left),
        light=scene.light,
        made=scene.made,
    )


def resized(pixels: Bytes, size: tuple[int, int], box: tuple[float, float, float, float] | None = None) -> Bytes:
    """A layer (H, W) or (H, W, 3), or a part of it, at another size; flat areas keep their exact value.

    Keys' cubic (1981, a = -0.5), widened to the area that a pixel of the result covers: next to no ringing, where
    Lanczos draws a line along every edge.

    Args:
        pixels: sRGB bytes, or coverage.
        size: (height, width).
        box: left, top, right, bottom of the part, in pixels; the whole where None.
    """
    height, width = pixels.shape[:2]
    box = (0.0, 0.0, float(width), float(height)) if box is None else box
    if pixels.ndim == 2:
        return _bytes(_channel(pixels.astype(np.float32), size, box))
    light = _reduces(size, box)
    out = np.empty((*size, 3), np.uint8)
    for k in range(3):
        values = linear_from_srgb(pixels[..., k]) if light else pixels[..., k].astype(np.float32)
        out[..., k] = _coded(_channel(values, size, box), light)
    return out


def resized_tint(tint: Bytes, size: tuple[int, int], box: tuple[float, float, float, float] | None = None) -> Bytes:
    """As `resized`, for what glass lets through: linear, widened to the area, which never leaves the range it is given.

    A cubic's overshoot beside a cap or a print would be a bright or dark line in every new background.
    """
    return np.asarray(Image.fromarray(tint).resize(size[::-1], Image.Resampling.BILINEAR, box), np.uint8)


def resized_product(
    product: Bytes, alpha: Bytes, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> tuple[Bytes, Bytes]:
    """As `resized`, for a product's colours with their coverage."""
    height, width = alpha.shape
    box = (0.0, 0.0, float(width), float(height)) if box is None else box
    light = _reduces(size, box)
    weight = np.asarray(alpha / np.float32(OPAQUE), np.float32)
    cover = _channel(weight, size, box)  # may pass 1 beside an edge; the weighted colours then do so as well
    colours = np.zeros((*size, 3), np.uint8)
    seen = cover > 0.5 / OPAQUE
    for k in range(3):
        values = linear_from_srgb(product[..., k]) if light else product[..., k].astype(np.float32)
        mixed = _channel(np.asarray(values * weight, np.float32), size, box)
        colours[..., k][seen] = _coded(mixed[seen] / cover[seen], light)
    return colours, _bytes(np.asarray(cover * OPAQUE, np.float32))


def warped(scene: Scene, matrix: Matrix, size: tuple[int, int], where: str, *, behind: bool = True) -> Scene:
    """Every layer seen through a homography, on a canvas of another size.

    Args:
        scene: what is there; a photo that was not cut out, its backdrop and its shade go on from their edges.
        matrix: (3, 3), from pixel centres (x, y, 1) of the scene to those of the result.
        size: (height, width) of the result.
        where: operation and parameter, for errors.
        behind: False leaves backdrop and overlay as they are; the size must then be the same.

    Raises:
        RequestError: the result is too large.
    """
    check_pixels(size[1], size[0], where)
    if max(*size, *scene.size) > _LIMIT:
        raise RequestError(where, f"a side of {max(*size, *scene.size):,} pixels", f"at most {_LIMIT:,}")
    if scene.alpha is None:
        product, alpha = _warped_plain(scene.product, matrix, size), None
    else:
        product, alpha = _warped_weighted(scene.product, scene.alpha, matrix, size)
    touched, overlay, backdrop = scene.touched, scene.overlay, scene.backdrop
    if touched is not None:
        grey = cv2.warpPerspective(touched.astype(np.uint8) * 255, matrix, size[::-1], flags=cv2.INTER_LINEAR)
        touched = np.asarray(grey > 0)
    if behind and overlay is not None:
        overlay = np.dstack(_warped_weighted(overlay[..., :3], overlay[..., 3], matrix, size))
    if behind and backdrop is not None:
        flat = flat_like(backdrop, size)
        backdrop = _warped_plain(backdrop, matrix, size) if flat is None else flat
    return replace(
        scene,
        product=product,
        alpha=alpha,
        backdrop=backdrop,
        shade=None if scene.shade is None else _warped_plain(scene.shade, matrix, size),
        overlay=overlay,
        tint=None if scene.tint is None else _warped_tint(scene.tint, matrix, size),
        placement=None,
        touched=touched,
        reduced=None,
    )


def flat_like(layer: Bytes, size: tuple[int, int]) -> Bytes | None:
    """The layer's one colour over another size (height, width); None where it has several colours."""
    if (layer != layer[0, 0]).any():
        return None
    return np.ascontiguousarray(np.broadcast_to(layer[0, 0], (*size, *layer.shape[2:])))


def spread(product: Bytes, alpha: Bytes) -> Bytes:
    """The product's colours, continued smoothly where it does not cover at all, so that filters find no edge there.

    Pull-push over halved pictures (Gortler et al. 1996, section 3.4).
    """
    covered = alpha > 0
    if covered.all() or not covered.any():
        return product
    half = (-(-alpha.shape[1] // 2), -(-alpha.shape[0] // 2))
    known = (np.where(covered[..., None], product, 0).astype(np.uint8), covered.astype(np.uint8) * OPAQUE)
    sums, weight = (np.asarray(cv2.resize(x, half, interpolation=cv2.INTER_AREA), np.float32) for x in known)
    filled = _bytes(_pulled(sums, weight / np.float32(OPAQUE)))
    grown = np.asarray(cv2.resize(filled, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.where(covered[..., None], product, grown)


def _pulled(sums: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = weight.shape
    known = sums / np.maximum(weight, 1e-6)[..., None]
    if min(height, width) == 1 or weight.all():
        return np.asarray(known, np.float32)
    half = (-(-width // 2), -(-height // 2))
    halved = [np.asarray(cv2.resize(x, half, interpolation=cv2.INTER_AREA), np.float32) for x in (sums, weight)]
    below = _pulled(halved[0], halved[1])
    grown = cv2.resize(below, (width, height), interpolation=cv2.INTER_LINEAR)
    share = np.minimum(weight, 1)[..., None]
    return np.asarray(known * share + grown * (1 - share), np.float32)


def _window(pixels: NDArray[Any], left: int, top: int, size: tuple[int, int], beyond: int | None) -> NDArray[Any]:
    height, width = pixels.shape[:2]
    rows, columns = np.arange(top, top + size[0]), np.arange(left, left + size[1])
    if beyond is None:
        return pixels[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)]
    out = np.full((*size, *pixels.shape[2:]), beyond, pixels.dtype)
    y0, y1 = max(top, 0), min(top + size[0], height)
    x0, x1 = max(left, 0), min(left + size[1], width)
    if y0 < y1 and x0 < x1:
        out[y0 - top : y1 - top, x0 - left : x1 - left] = pixels[y0:y1, x0:x1]
    return out


def _reduces(size: tuple[int, int], box: tuple[float, float, float, float]) -> bool:
    return size[0] < box[3] - box[1] or size[1] < box[2] - box[0]


def _channel(
    values: NDArray[np.float32], size: tuple[int, int], box: tuple[float, float, float, float]
) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(values).resize(size[::-1], Image.Resampling.BICUBIC, box=box))


def _coded(values: NDArray[np.float32], light: bool) -> Bytes:
    if not light:
        return _bytes(values)
    return _SRGB_OF_LIGHT[np.rint(np.clip(values, 0, 1) * (_CODES - 1)).astype(np.uint16)]


def _bytes(values: NDArray[np.float32]) -> Bytes:
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def _warped_plain(pixels: Bytes, matrix: Matrix, size: tuple[int, int]) -> Bytes:
    seen = cv2.warpPerspective(pixels, matrix, size[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.uint8)


def _warped_tint(tint: Bytes, matrix: Matrix, size: tuple[int, int]) -> Bytes:
    white = (OPAQUE,) * 3
    return np.asarray(
        cv2.warpPerspective(tint, matrix, size[::-1], flags=cv2.INTER_LINEAR, borderValue=white), np.uint8
    )


def _warped_weighted(product: Bytes, alpha: Bytes, matrix: Matrix, size: tuple[int, int]) -> tuple[Bytes, Bytes]:
    """In strips: a strip of the result reads only the rows that it shows."""
    colours, cover = np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8)
    for top in range(0, size[0], _STRIP):
        bottom = min(top + _STRIP, size[0])
        first, last = _rows_shown(matrix, top, bottom, size[1], alpha.shape[0])
        if first >= last or not alpha[first:last].any():
            continue
        weight = alpha[first:last].astype(np.float32)
        weighted = np.dstack([product[first:last] * (weight / OPAQUE)[..., None], weight])
        shift = _moved(0, -top) @ matrix @ _moved(0, first)
        seen = cv2.warpPerspective(weighted, shift, (size[1], bottom - top), flags=cv2.INTER_CUBIC)
        covered = seen[..., 3]
        some = covered > 0.5
        colours[top:bottom][some] = _bytes(
            np.asarray(seen[some][:, :3] * (OPAQUE / covered[some])[:, None], np.float32)
        )
        cover[top:bottom] = _bytes(np.asarray(covered, np.float32))
    return colours, cover


def _rows_shown(matrix: Matrix, top: int, bottom: int, width: int, height: int) -> tuple[int, int]:
    corners = np.array([[x, y, 1.0] for x in (-1, width) for y in (top - 1, bottom)]) @ np.linalg.inv(matrix).T
    if corners[:, 2].min() <= 1e-9:  # the horizon is in sight
        return 0, height
    rows = corners[:, 1] / corners[:, 2]
    return max(0, int(rows.min()) - 4), min(height, int(rows.max()) + 5)


def _moved(x: float, y: float) -> Matrix:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


__all__ = ["Box", "Mask", "Matrix"]
