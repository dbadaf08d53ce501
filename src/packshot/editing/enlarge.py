"""Larger pictures whose reduction is the photo again: nothing is changed at the resolution the photo has.

What was measured is in `benchmarks/enlarge.py`: iterative back-projection lifts Lanczos by 0.2 to 0.6 dB, and three
tenths of what the pack's upscaler changes in lightness lift it by another 0.1 to 1.2; the upscaler alone, trained for
generated pictures, is 4 to 7 dB worse than Lanczos on sellers' photos.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from packshot.editing.scene import Bytes, Scene
from packshot.editing.warp import check_pixels, flat_like, resized, resized_product, resized_tint, spread
from packshot.errors import RequestError
from packshot.generation.parallel import in_order, worker_count
from packshot.packs import Pack, find_pack

Array = NDArray[np.float32]

TIMES = (2, 4)
PACK = "gan"
"""Whose upscaler is asked: one that makes four times, which is what was measured."""
NETWORK_PIXELS = 400_000
"""Pixels up to which "auto" asks the network, which takes several seconds for them on two cores."""
NETWORK_SHARE = 0.3
"""How much of the network's difference in lightness is taken: the best compromise of three sets of pictures."""

_WAYS = ("auto", "plain", "network")
_ROUNDS = 2  # of back-projection: further ones gain at most 0.02 dB
_TILE, _HALO = 256, 16  # pixels of the photo
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def enlarge(scene: Scene, times: str = "2", *, by: str = "auto") -> Scene:
    """Enlarge the picture two or four times without changing what the photo says.

    Lanczos, then iterative back-projection (Irani & Peleg 1991, section 3): averaged over each pixel's area, the
    result is the photo again, byte for byte. What lies between may come from the upscaler of the pack `gan`.

    Args:
        scene: what is there.
        times: "2" or "4".
        by: "plain"; "network", finer, at some 20 seconds a megapixel; "auto", which asks it for small pictures only.

    Raises:
        RequestError: other values, or a result of more than `MAX_PIXELS`.
        PackError: the pack is missing or damaged.
    """
    if times.strip().lower().removesuffix("x") not in map(str, TIMES):
        raise RequestError("enlarge.times", f"'{times}'", " or ".join(map(str, TIMES)))
    if by not in _WAYS:
        raise RequestError("enlarge.by", f"'{by}'", ", ".join(_WAYS))
    factor = int(times.strip().lower().removesuffix("x"))
    height, width = scene.size
    size = (height * factor, width * factor)
    check_pixels(size[1], size[0], "enlarge.times")
    network = by == "network" or (by == "auto" and height * width <= NETWORK_PIXELS)
    pack = find_pack(PACK, ("flow", "gan", "vae")) if network else None
    product = scene.product if scene.alpha is None else spread(scene.product, scene.alpha)
    overlay, touched = scene.overlay, scene.touched
    if overlay is not None:
        overlay = np.dstack(resized_product(overlay[..., :3], overlay[..., 3], size))
    if touched is not None:
        touched = np.repeat(np.repeat(touched, factor, 0), factor, 1)
    return replace(
        scene,
        product=enlarged(product, factor, pack),
        alpha=None if scene.alpha is None else resized(scene.alpha, size),
        backdrop=_behind(scene.backdrop, size),
        shade=_behind(scene.shade, size),
        overlay=overlay,
        tint=None if scene.tint is None else resized_tint(scene.tint, size),
        placement=None,
        touched=touched,
        reduced=None,
    )


def enlarged(photo: Bytes, times: int, pack: Pack | None = None) -> Bytes:
    """(H, W, 3) sRGB bytes `times` as large; `cv2.resize` with INTER_AREA makes `photo` of it again.

    In tiles that overlap by more than the kernels reach, so that memory stays small and no seam appears.
    """
    height, width = photo.shape[:2]
    out = np.empty((height * times, width * times, 3), np.uint8)
    corners = [(top, left) for top in range(0, height, _TILE) for left in range(0, width, _TILE)]

    def make(corner: tuple[int, int]) -> tuple[int, int, Bytes]:
        return (*corner, _tile(photo, *corner, times, pack))

    workers = worker_count()
    with ThreadPoolExecutor(workers) as pool:
        for top, left, tile in in_order(pool, make, corners, 2 * workers):
            y, x = top * times, left * times
            out[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return out


def back_projected(large: Array, small: Array, times: int, rounds: int = _ROUNDS) -> Array:
    """`large` (H·times, W·times, C), corrected until its averages are `small` (H, W, C); values 0 to 255."""
    for _ in range(rounds):
        wrong = small - cv2.resize(large, small.shape[1::-1], interpolation=cv2.INTER_AREA)
        large = np.clip(large + cv2.resize(wrong, large.shape[1::-1], interpolation=cv2.INTER_CUBIC), 0, 255)
    return large


def network_enlarged(small: Array, times: int, pack: Pack) -> Array:
    """What the pack's upscaler makes of (H, W, 3), values 0 to 255: asked until it is large enough, then averaged."""
    height, width = small.shape[:2]
    fine = small
    while fine.shape[0] < times * height:
        fine = _finished(fine, pack)
    if fine.shape[0] == times * height:
        return fine
    return np.asarray(cv2.resize(fine, (width * times, height * times), interpolation=cv2.INTER_AREA), np.float32)


def _finished(small: Array, pack: Pack) -> Array:
    """The upscaler once."""
    height, width = small.shape[:2]
    padded = np.pad(small, ((0, -height % 8), (0, -width % 8), (0, 0)), "edge")  # it halves its input three times
    fed = np.ascontiguousarray((padded / 127.5 - 1).transpose(2, 0, 1)[None], np.float32)
    fine = np.asarray(pack.session("upscaler.onnx").run(None, {"x": fed})[0][0], np.float32).transpose(1, 2, 0)
    factor = fine.shape[0] // padded.shape[0]
    return (np.clip(fine, -1, 1) + 1)[: factor * height, : factor * width] * np.float32(127.5)


def _tile(photo: Bytes, top: int, left: int, times: int, pack: Pack | None) -> Bytes:
    height, width = photo.shape[:2]
    bottom, right = min(top + _TILE, height), min(left + _TILE, width)
    y, x = max(top - _HALO, 0), max(left - _HALO, 0)
    small = photo[y : min(bottom + _HALO, height), x : min(right + _HALO, width)].astype(np.float32)
    size = (small.shape[1] * times, small.shape[0] * times)
    large = np.asarray(np.clip(cv2.resize(small, size, interpolation=cv2.INTER_LANCZOS4), 0, 255), np.float32)
    if pack is not None:
        difference = (network_enlarged(small, times, pack) - large) @ _LUMA
        large = np.asarray(np.clip(large + NETWORK_SHARE * difference[..., None], 0, 255), np.float32)
    large = back_projected(large, small, times)
    cut = (slice((top - y) * times, (bottom - y) * times), slice((left - x) * times, (right - x) * times))
    return _exact(large[cut], photo[top:bottom, left:right], times)


def _exact(large: Array, small: Bytes, times: int) -> Bytes:
    """`large` in bytes whose averages round to `small`: where rounding moved one, single pixels move back."""
    for _ in range(_ROUNDS):  # what smooth corrections left over, mostly beside clipped pixels
        wrong = small - cv2.resize(large, small.shape[1::-1], interpolation=cv2.INTER_AREA)
        large = np.clip(large + cv2.resize(wrong, large.shape[1::-1], interpolation=cv2.INTER_NEAREST), 0, 255)
    fine, count = np.rint(large), times * times
    averages = cv2.resize(fine, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    over = np.rint((averages - small) * count).astype(np.int32)
    rows, columns, channels = np.nonzero(np.abs(over) >= count // 2)
    sums = over[rows, columns, channels]
    while (off := np.abs(sums) >= count // 2).any():
        for pixel in range(count):
            y, x = rows * times + pixel // times, columns * times + pixel % times
            value = fine[y, x, channels]
            step = np.sign(sums) * np.maximum(np.abs(sums) // count, 1)
            moved = np.clip(value - np.where(off, step, 0), 0, 255)
            fine[y, x, channels] = moved
            sums = sums + (moved - value).astype(np.int32)
            off = np.abs(sums) >= count // 2
    return fine.astype(np.uint8)


def _behind(layer: Bytes | None, size: tuple[int, int]) -> Bytes | None:
    if layer is None:
        return None
    flat = flat_like(layer, size)
    return resized(layer, size) if flat is None else flat
