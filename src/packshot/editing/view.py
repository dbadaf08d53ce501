"""A true new view of a product, drawn by a view-conditioned pack; what was not photographed is the model's guess."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from packshot.editing.scene import OPAQUE, Bytes, Made, Scene
from packshot.editing.warp import product_box, resized, resized_product
from packshot.errors import PackError, RequestError
from packshot.packs import Pack, find_pack

KIND = "view"
SHARE = 0.85
"""Of the network's square that the product's longer side takes."""

Floats = NDArray[np.float32]


def view(scene: Scene, yaw: float, *, pitch: float = 0.0, pack: str = "view") -> Scene:
    """Draw the product as seen from elsewhere, by a pack of the kind `view`; none ships with packshot.

    The product is shown to the network on white, and what it draws takes the product's place, as large as it was.
    Backdrop and overlay stay; a shadow does not, since it was of the other side.

    Such a pack holds `view.onnx`: `picture` (1, 4, S, S) float32, sRGB on white in -1 to 1 and coverage in 0 to 1, and
    `pose` (1, 2) float32, yaw and pitch in radians, give `view` (1, 4, S, S) of the same form. Its manifest has
    `view = {"side": S, "yaw": [least, most], "pitch": [least, most]}` in degrees.

    Args:
        scene: cut out.
        yaw: degrees that the camera goes around the product, to the right.
        pitch: degrees that it rises.
        pack: name or folder of the pack.

    Raises:
        RequestError: nothing was cut out, an angle that the pack was not made for, or a view without a product.
        PackError: there is no such pack, or its graph does not give what it should.
    """
    coverage = scene.coverage("view")
    found = find_pack(pack, (KIND,))
    for name, degrees in (("yaw", yaw), ("pitch", pitch)):
        least, most = (float(value) for value in found.manifest["view"][name])
        if not least <= degrees <= most:
            raise RequestError(f"view.{name}", f"{degrees:g} degrees", f"{least:g} to {most:g} of pack '{found.name}'")
    left, top, right, bottom = product_box(scene, "view")
    side = int(found.manifest["view"]["side"])
    shown = _shown(scene.product[top:bottom, left:right], coverage[top:bottom, left:right], side)
    colours, alpha = _unshown(_drawn(found, shown, yaw, pitch))
    scale = max(right - left, bottom - top) / (SHARE * side)
    made = Made("view", found.name, KIND, found.sha256, (((side, side), (round(side * scale),) * 2),))
    placed = _placed(colours, alpha, scale, ((left + right) / 2, (top + bottom) / 2), scene.size)
    return replace(
        scene, product=placed[0], alpha=placed[1], shade=None, tint=None, placement=None, reduced=None,
        touched=None, made=(*scene.made, made),
    )  # fmt: skip


def _shown(product: Bytes, alpha: Bytes, side: int) -> Floats:
    """(1, 4, side, side): the product in the middle of white, its longer side `SHARE` of the frame."""
    height, width = alpha.shape
    scale = SHARE * side / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small, cover = resized_product(product, alpha, size)
    top, left = (side - size[0]) // 2, (side - size[1]) // 2
    out = np.concatenate([np.ones((3, side, side), np.float32), np.zeros((1, side, side), np.float32)])
    weight = cover.astype(np.float32) / OPAQUE
    mixed = (small.astype(np.float32) / 127.5 - 1) * weight[..., None] + (1 - weight[..., None])
    part = np.s_[top : top + size[0], left : left + size[1]]
    out[:3][:, *part], out[3][part] = mixed.transpose(2, 0, 1), weight
    return np.asarray(out[None], np.float32)


def _drawn(pack: Pack, shown: Floats, yaw: float, pitch: float) -> Floats:
    """(4, S, S) of the network."""
    pose = np.radians(np.array([[yaw, pitch]], np.float32)).astype(np.float32)
    (seen,) = pack.session("view.onnx").run(["view"], {"picture": shown, "pose": pose})
    out = np.asarray(seen, np.float32)
    if out.shape != shown.shape or not np.isfinite(out).all():
        raise PackError(pack.folder / "view.onnx", f"a view of {out.shape}", f"finite numbers of {shown.shape}")
    return np.asarray(out[0])


def _unshown(drawn: Floats) -> tuple[Bytes, Bytes]:
    """Colours without the white that they were mixed with, and coverage."""
    cover = np.clip(drawn[3], 0, 1)
    colours = (drawn[:3] - (1 - cover)) / np.maximum(cover, 1e-3)
    pixels = np.rint((np.clip(colours, -1, 1) + 1) * 127.5).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(pixels), np.rint(cover * OPAQUE).astype(np.uint8)


def _placed(
    colours: Bytes, alpha: Bytes, scale: float, middle: tuple[float, float], size: tuple[int, int]
) -> tuple[Bytes, Bytes]:
    """What was drawn, at the photo's scale about `middle` (x, y), on a canvas of (height, width)."""
    if not alpha.any():
        raise RequestError("view", "a view in which the pack drew nothing", "another angle, or another pack")
    side = max(1, round(alpha.shape[0] * scale))
    large, cover = resized_product(colours, alpha, (side, side)), resized(alpha, (side, side))
    product, coverage = np.full((*size, 3), OPAQUE, np.uint8), np.zeros(size, np.uint8)
    left, top = round(middle[0] - side / 2), round(middle[1] - side / 2)
    rows = slice(max(top, 0), min(top + side, size[0]))
    columns = slice(max(left, 0), min(left + side, size[1]))
    part = np.s_[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    product[rows, columns], coverage[rows, columns] = large[0][part], cover[part]
    return product, coverage
