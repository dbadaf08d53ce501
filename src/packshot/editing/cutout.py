"""Cutting a product out of its photo: a network says where it is, the photo's own colours how much of each pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np

from packshot.editing.foreign import PREFIX, rembg_coverage
from packshot.editing.glass import with_glass
from packshot.editing.outline import Floats, Sides, fused_colours, mixture, sides, specks
from packshot.editing.scene import SOLID, Bytes, Mask, Scene
from packshot.errors import RequestError
from packshot.packs import Pack, find_pack, open_pack

KIND = "matting"
WORKING_PX = 800
"""Longest side at which both sides of the outline are looked at; larger photos are solved with what was seen there."""
REACH = 1.6
"""Pixels of the network's own picture by which its outline may be wrong."""
MODEL_BLUR = 2.0
"""Pixels at the working size by which an outline is taken to be wrong at the least."""
TILE_PX = 256
"""Side of the squares in which a photo is solved at its own size; those without an outline are passed over."""
EXACT = 0.03
"""Coverage nearer than this to none or whole is none or whole."""
NOTHING = 0.002
"""Share of the picture below which nothing was found."""
Window = tuple[slice, slice]


def cutout(scene: Scene, pack: str = "cutout", *, glass: str = "no", frosted: float = 0.0) -> Scene:
    """Cut the product out: soft coverage, colours without the background's, solid pixels copied.

    The network's coverage is kept where it is sure. Along the outline each pixel is a mixture I = aF + (1 - a)B of
    product and background near it (Porter and Duff 1984), solved for a where the two differ; colours F of mixed pixels
    come from blur fusion (Forte 2021, "Approximate Fast Foreground Colour Estimation", section 3).

    Args:
        scene: not cut out yet; one that is keeps its coverage.
        pack: name or folder of a pack of the kind `matting`, or `rembg:` and the name of one of rembg's models.
        glass: `no`; `auto`: what is nearly as light and colourless as a plain light background lets a new one through;
            or where the product is glass: boxes `x,y,w,h`, circles `circle:x,y,r`, or a grey picture's path, as for
            `erase`. See `packshot.editing.glass`.
        frosted: 0 for clear glass, to 1: how much of the backdrop milky glass or a pale liquid hides.

    Raises:
        RequestError: no product is found, rembg has no such model, or glass before what is not plain and light.
        PackError: there is no such pack, or it is damaged.
        MissingExtraError: rembg is asked for and not installed.
    """
    if scene.alpha is not None:
        return scene
    view = _look(scene.product, pack)
    if float((view.alpha > 0.5).mean()) < NOTHING:
        accepted = "a photo that shows one product clearly"
        raise RequestError("cutout", "a picture in which no product was found", accepted)
    product, alpha = scene.product.copy(), np.empty(scene.size, np.uint8)
    for window in _tiles(scene.size):
        alpha[window], colours = _solved(scene.product[window], view, window)
        if colours is not None:
            product[window] = colours
    cut = replace(scene, alpha=alpha, product=product)
    return cut if glass == "no" else with_glass(cut, scene.product, glass, frosted)


def network(pack: str = "cutout") -> Pack:
    """A pack of the kind `matting` by name or folder, with the session that earlier calls have opened.

    Raises:
        PackError: there is none, or it is damaged.
    """
    found = find_pack(pack, (KIND,))
    return _opened(found.folder, found.sha256)


@lru_cache(maxsize=2)
def _opened(folder: Path, sha256: str) -> Pack:
    return open_pack(folder)


def network_coverage(photo: Bytes, pack: Pack, *, mirrored: bool = True) -> Floats:
    """What the network alone says: (H, W, 3) sRGB -> (S, S) in [0, 1], S being the side the pack works at.

    The mean of the photo's and its mirror image's, which is right more often than either; without `mirrored` the
    photo's alone, in half the time.
    """
    side = int(pack.manifest["matting"]["side"])
    shrinks = max(photo.shape[:2]) > side
    small = cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    x = small.astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    session = pack.session("matting.onnx")
    (plain,) = session.run(None, {"photo": np.ascontiguousarray(x)})
    if not mirrored:
        return np.asarray(plain[0, 0], np.float32)
    (other,) = session.run(None, {"photo": np.ascontiguousarray(x[..., ::-1])})
    return np.asarray((plain[0, 0] + other[0, 0, :, ::-1]) / 2, np.float32)


@dataclass(frozen=True, slots=True)
class _View:
    """A photo at the working size (h, w), and what was seen there.

    Attributes:
        alpha: (h, w) coverage.
        around: colours on both sides of the outline.
        dropped: pieces that are no part of the product.
        filled: pinholes in it.
        front: (h, w, 3) colours of the product, as if nothing showed through.
        behind: of the background.
        busy: where coverage is neither none nor whole, and near it.
        scale: working size over the photo's, across and down.
    """

    alpha: Floats
    around: Sides
    dropped: Mask
    filled: Mask
    front: Floats
    behind: Floats
    busy: Mask
    scale: tuple[float, float]

    def enlarged(self, field: Floats | Mask, window: Window) -> Floats:
        """A window of a field at the photo's size, pixel centres on pixel centres."""
        (across, down), (rows, columns) = self.scale, window
        left, top = (columns.start + 0.5) * across - 0.5, (rows.start + 0.5) * down - 0.5
        place, size = (
            np.array([[across, 0, left], [0, down, top]]),
            (columns.stop - columns.start, rows.stop - rows.start),
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        source = field.astype(np.float32, copy=False)
        return np.asarray(cv2.warpAffine(source, place, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)

    def behind_it(self, window: Window) -> Window:
        """The window of the working size that covers a window of the photo."""
        (across, down), (rows, columns) = self.scale, window
        return (
            slice(max(0, int(rows.start * down) - 1), int(np.ceil(rows.stop * down)) + 1),
            slice(max(0, int(columns.start * across) - 1), int(np.ceil(columns.stop * across)) + 1),
        )


def _look(photo: Bytes, pack: str) -> _View:
    height, width = photo.shape[:2]
    scale = min(1.0, WORKING_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    working = photo if scale == 1 else np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
    coarse: Floats
    if pack.startswith(PREFIX):
        coarse = rembg_coverage(working, pack.removeprefix(PREFIX)) / np.float32(255)
    else:
        coarse = network_coverage(working, network(pack))
    rough = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    around = sides(working, rough, REACH * max(MODEL_BLUR, max(size) / max(coarse.shape)))
    alpha = mixture(working, around)
    dropped, filled = specks(alpha)
    alpha[dropped], alpha[filled] = 0, 1
    band = (around.inside <= 0.5) & (around.outside <= 0.5)
    busy = cv2.dilate((band | dropped | filled).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    front, behind = fused_colours(working, alpha)
    return _View(alpha, around, dropped, filled, front, behind, busy, (size[0] / width, size[1] / height))


def _tiles(size: tuple[int, int]) -> Iterator[Window]:
    height, width = size
    for top in range(0, height, TILE_PX):
        for left in range(0, width, TILE_PX):
            yield slice(top, min(height, top + TILE_PX)), slice(left, min(width, left + TILE_PX))


def _solved(photo: Bytes, view: _View, window: Window) -> tuple[Bytes, Bytes | None]:
    """Coverage of a window of the photo, and its colours where they are not the photo's."""
    seen = view.behind_it(window)
    if not view.busy[seen].any():
        return np.full(photo.shape[:2], 255 * (view.alpha[seen].flat[0] > 0.5), np.uint8), None
    enlarged = partial(view.enlarged, window=window)
    solved = mixture(photo, Sides(*(enlarged(part) for part in view.around)))
    solved[enlarged(view.dropped) > 0.5] = 0
    solved[enlarged(view.filled) > 0.5] = 1
    coverage = ((solved - EXACT) / (1 - 2 * EXACT)).clip(0, 1)
    alpha = np.asarray(np.rint(coverage * 255), np.uint8)
    mixed = (alpha > 0) & (alpha < SOLID)
    if not mixed.any():
        return alpha, None
    front, behind, a = enlarged(view.front)[mixed], enlarged(view.behind)[mixed], coverage[mixed][:, None]
    colour = front + a * (photo[mixed] / np.float32(255) - a * front - (1 - a) * behind)
    result = photo.copy()
    result[mixed] = np.rint(colour.clip(0, 1) * 255)
    return alpha, result
