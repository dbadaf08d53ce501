"""Frames: the product fitted into a canvas of a given size, and windows cut out of a picture."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from packshot.editing.reduced import reduction, within_reach
from packshot.editing.scene import Bytes, Scene
from packshot.editing.warp import (
    Box,
    check_pixels,
    flat_like,
    product_box,
    resized,
    resized_product,
    resized_tint,
    window,
)
from packshot.errors import RequestError
from packshot.framing import PRODUCT_SHARE

MAX_MARGIN = 0.45
_SIZE = re.compile(r"\s*(\d{1,5})\s*(?:[x×*]\s*(\d{1,5})\s*)?")
_RATIO = re.compile(r"\s*(\d+(?:\.\d+)?)\s*:\s*(\d+(?:\.\d+)?)\s*")
_NUMBER = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*(%?)\s*")
_BOXES = "x,y,w,h in pixels or per cent, product, or a format such as 4:5"


def fit(
    scene: Scene,
    size: str,
    *,
    share: float = PRODUCT_SHARE,
    margin: float = 0.0,
    scale: str = "auto",
    upscale: bool = False,
) -> Scene:
    """Centre the product in a canvas of a given size, at a given share of it.

    At scale 1 every pixel is copied and `Scene.placement` kept; "auto" comes to it where the product would have to be
    enlarged and `upscale` is off. Otherwise the product is resampled once; `Scene.reduced` says how, if it is the
    photo's. A flat backdrop stays its exact colour, another one is scaled with the product and, where it ends, cut to
    the canvas's format anew. Overlays move with the product: put text on afterwards.

    Args:
        scene: cut out.
        size: "1000", or "1000x1333" as width and height, in pixels.
        share: of the canvas that the product takes, along the side where it takes more; 0.05 to 1.
        margin: of the canvas's shorter side that stays free at every edge at the least, 0 to `MAX_MARGIN`.
        scale: "auto", or "1" for no resampling whatever the share.
        upscale: whether "auto" may enlarge.

    Raises:
        RequestError: another value, a canvas that is too large, or at scale "1" too small for the product.
    """
    width, height = canvas_size(size, "fit.size")
    if not 0.05 <= share <= 1:
        raise RequestError("fit.share", f"{share:g}", "0.05 to 1")
    if not 0 <= margin <= MAX_MARGIN:
        raise RequestError("fit.margin", f"{margin:g}", f"0 to {MAX_MARGIN}")
    if scale not in ("auto", "1"):
        raise RequestError("fit.scale", f"'{scale}'", "auto or 1")
    box = product_box(scene, "fit")
    wide, high = box[2] - box[0], box[3] - box[1]
    free = 2 * margin * min(width, height)
    if scale == "1":
        if wide > width - free or high > height - free:
            room = f"{width - free:.0f}×{height - free:.0f}"
            raise RequestError("fit.scale", f"a product of {wide}×{high} pixels", f"at scale 1 at most {room}")
        factor = 1.0
    else:
        factor = min(share * width / wide, share * height / high, (width - free) / wide, (height - free) / high)
        factor = factor if upscale else min(factor, 1.0)
    if factor == 1.0:
        return _copied(scene, box, (height, width))
    return _scaled(scene, box, (height, width), factor)


def crop(scene: Scene, box: str, *, margin: float = 0.05) -> Scene:
    """Cut a window out of the picture; its pixels are copied.

    Args:
        scene: what is there; cut out for "product".
        box: "x,y,w,h" of the window, each in pixels or, with a %, in per cent of the picture's width or height;
            "product" for the product's box; "4:5" for the smallest window of that format around it, or the largest
            one in the middle of a picture that is not cut out.
        margin: around the product, of its longer side, 0 to 1.

    Raises:
        RequestError: another value, a window beyond the picture, or a format that would cut the product.
    """
    if not 0 <= margin <= 1:
        raise RequestError("crop.margin", f"{margin:g}", "0 to 1")
    ratio = _RATIO.fullmatch(box)
    if box.strip().lower() == "product":
        found = _around(scene, margin)
    elif ratio and float(ratio[1]) > 0 and float(ratio[2]) > 0:
        found = _of_format(scene, float(ratio[1]) / float(ratio[2]), margin)
    else:
        found = _typed(scene, box)
    left, top, right, bottom = found
    check_pixels(right - left, bottom - top, "crop.box")
    return window(scene, left, top, (bottom - top, right - left))


def canvas_size(size: str, where: str) -> tuple[int, int]:
    """Width and height out of "1000" or "1000x1333".

    Raises:
        RequestError: another form, or too large.
    """
    match = _SIZE.fullmatch(size.lower())
    width = int(match[1]) if match else 0
    height = int(match[2] or match[1]) if match else 0
    if not width or not height:
        raise RequestError(where, f"'{size}'", "pixels such as 1000 or, width and height, 1000x1333")
    check_pixels(width, height, where)
    return width, height


def _copied(scene: Scene, box: Box, size: tuple[int, int]) -> Scene:
    left = box[0] - (size[1] - (box[2] - box[0])) // 2
    top = box[1] - (size[0] - (box[3] - box[1])) // 2
    framed = window(scene, left, top, size)
    view = (float(left), float(top), float(left + size[1]), float(top + size[0]))
    return replace(framed, backdrop=_covering(scene.backdrop, view, size))


@dataclass(frozen=True, slots=True)
class _Piece:
    """The part of a scene that is seen, and where it comes to lie on the canvas.

    Attributes:
        part: left, top, right, bottom in the scene's pixels.
        at: left, top, right, bottom in the canvas's.
        size: (height, width) of the canvas.
    """

    part: tuple[float, float, float, float]
    at: Box
    size: tuple[int, int]

    def placed(self, seen: Any, beyond: int) -> Any:
        """The part on the canvas."""
        canvas = np.full((*self.size, *seen.shape[2:]), beyond, seen.dtype)
        canvas[self.at[1] : self.at[3], self.at[0] : self.at[2]] = seen
        return canvas

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) that the part takes on the canvas."""
        return self.at[3] - self.at[1], self.at[2] - self.at[0]


def _scaled(scene: Scene, box: Box, size: tuple[int, int], factor: float) -> Scene:
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    reach = (size[1] / factor / 2, size[0] / factor / 2)
    view = (middle[0] - reach[0], middle[1] - reach[1], middle[0] + reach[0], middle[1] + reach[1])
    piece = _piece(view, scene.size, size, factor)
    shape, part = piece.shape, piece.part
    assert scene.alpha is not None
    product, alpha = resized_product(scene.product, scene.alpha, shape, part)
    shade, overlay, touched = scene.shade, scene.overlay, scene.touched
    if shade is not None:
        shade = piece.placed(resized(shade, shape, part), 255)
    if overlay is not None:
        overlay = piece.placed(np.dstack(resized_product(overlay[..., :3], overlay[..., 3], shape, part)), 0)
    if touched is not None:
        touched = piece.placed(within_reach(touched, shape, part), 0)
    return Scene(
        product=piece.placed(product, 0),
        alpha=piece.placed(alpha, 0),
        backdrop=_covering(scene.backdrop, view, size),
        shade=shade,
        overlay=overlay,
        placement=None,
        touched=touched,
        tint=None if scene.tint is None else piece.placed(resized_tint(scene.tint, shape, part), 255),
        reduced=reduction(scene, part, piece.at),
        light=scene.light,
        made=scene.made,
    )


def _piece(
    view: tuple[float, float, float, float], have: tuple[int, int], size: tuple[int, int], factor: float
) -> _Piece:
    """The part of the view that the scene has, cut to whole pixels of the canvas."""

    def side(low: float, length: int, pixels: int) -> tuple[float, float, int, int]:
        first = max(0, math.ceil(-low * factor - 1e-6))
        last = min(pixels, math.floor((length - low) * factor + 1e-6))
        if last <= first:  # a hair: shown as one row or column of pixels, rather than not at all
            first = min(first, pixels - 1)
            return 0.0, float(length), first, first + 1
        return max(low + first / factor, 0.0), min(low + last / factor, float(length)), first, last

    x0, x1, left, right = side(view[0], have[1], size[1])
    y0, y1, top, bottom = side(view[1], have[0], size[0])
    return _Piece((x0, y0, x1, y1), (left, top, right, bottom), size)


def _covering(backdrop: Bytes | None, view: tuple[float, float, float, float], size: tuple[int, int]) -> Bytes | None:
    """A backdrop over the whole canvas: the view of it, made smaller and moved inside where it reaches beyond."""
    if backdrop is None:
        return None
    flat = flat_like(backdrop, size)
    if flat is not None:
        return flat
    have = (backdrop.shape[1], backdrop.shape[0])
    spans = (view[2] - view[0], view[3] - view[1])
    shrink = min(1.0, have[0] / spans[0], have[1] / spans[1])
    low = []
    for k in range(2):
        span = spans[k] * shrink
        low.append(min(max((view[k] + view[k + 2] - span) / 2, 0.0), have[k] - span))
    part = (low[0], low[1], min(low[0] + spans[0] * shrink, have[0]), min(low[1] + spans[1] * shrink, have[1]))
    if shrink == 1 and spans[0] == size[1] and spans[1] == size[0]:
        left, top = round(part[0]), round(part[1])
        return np.ascontiguousarray(backdrop[top : top + size[0], left : left + size[1]])
    return resized(backdrop, size, part)


def _around(scene: Scene, margin: float) -> Box:
    """The product's box with its margin, inside the picture."""
    height, width = scene.size
    left, top, right, bottom = product_box(scene, "crop")
    more = round(margin * max(right - left, bottom - top))
    return max(left - more, 0), max(top - more, 0), min(right + more, width), min(bottom + more, height)


def _of_format(scene: Scene, ratio: float, margin: float) -> Box:
    height, width = scene.size
    most = (min(width, height * ratio), min(height, width / ratio))
    if scene.alpha is None:
        return _inside((width / 2, height / 2), most, scene.size)
    left, top, right, bottom = product_box(scene, "crop")
    wide, high = right - left, bottom - top
    more = 2 * margin * max(wide, high)
    need = max(wide + more, (high + more) * ratio)
    size = (min(need, most[0]), min(need / ratio, most[1]))
    if size[0] < wide or size[1] < high:
        accepted = "a format with room for all of it; fit makes a canvas of any format"
        raise RequestError("crop.box", f"a product of {wide}×{high} pixels in {width}×{height}", accepted)
    return _inside(((left + right) / 2, (top + bottom) / 2), size, scene.size)


def _inside(middle: tuple[float, float], size: tuple[float, float], picture: tuple[int, int]) -> Box:
    wide, high = max(1, math.floor(size[0] + 1e-6)), max(1, math.floor(size[1] + 1e-6))
    left = min(max(round(middle[0] - wide / 2), 0), picture[1] - wide)
    top = min(max(round(middle[1] - high / 2), 0), picture[0] - high)
    return left, top, left + wide, top + high


def _typed(scene: Scene, box: str) -> Box:
    height, width = scene.size
    found = [_NUMBER.fullmatch(part) for part in box.split(",")]
    if len(found) != 4 or not all(found):
        raise RequestError("crop.box", f"'{box}'", _BOXES)
    values = [
        float(match[1]) * (length / 100 if match[2] else 1)
        for match, length in zip(found, (width, height, width, height), strict=True)
        if match
    ]
    left, top = round(values[0]), round(values[1])
    right, bottom = round(values[0] + values[2]), round(values[1] + values[3])
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise RequestError("crop.box", f"'{box}'", f"a window inside of {width}×{height} pixels")
    return left, top, right, bottom
