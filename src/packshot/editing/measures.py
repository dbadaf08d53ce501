"""What is measured between a photo and its edited picture: kept pixels, the halo at the outline, text-like regions.

Everything here is a function of two pictures, a map of regions and an offset, so that whoever has the certificate can
compute it again. Pictures are read in strips of rows: fifty megapixels need no second copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from packshot.colour import cielab_from_srgb, delta_e2000
from packshot.editing.scene import OPAQUE, SOLID, Bytes, Mask, Scene

OUTSIDE, RIM, GLASS, EXEMPT, KEPT = 0, 250, 253, 254, 255
"""The map of regions: no product; solid, but next to what is not; glass; product that was meant to change, is under an
overlay, or had pixels that are not whole mixed into it by a resampling; product that is kept. Values from 1 to 249 are
the coverage where the product is not solid."""

ERODED_PX = 2
"""The kept region stays so far away from pixels that are not solid."""

DELTA_E_SAMPLE = 1_000_000
"""Kept pixels of which ΔE2000 is computed at the most: every n-th, in reading order."""

_STRIP_ROWS = 512
_HALO_REACH_PX = 8
_HALO_APART = 10.0
_TEXT_LONGEST_PX = 1600
_TEXT_EDGE = 48
_TEXT_MOST = 100


def regions(scene: Scene) -> Bytes:
    """The map (H, W) of `OUTSIDE`, coverage, `RIM`, `GLASS`, `EXEMPT` and `KEPT`.

    Kept is what is solid, `ERODED_PX` away from everything that is not, not touched, and under no overlay. Without a
    cut-out the whole photo is the product. The picture's border erodes nothing. Of a photo that was resampled only
    pixels are kept in which nothing but such pixels was mixed: see `Reduction.whole`.
    """
    if scene.alpha is None:
        codes = np.full(scene.size, KEPT, np.uint8)
    else:
        codes = np.minimum(scene.alpha, RIM)
        side = 2 * ERODED_PX + 1
        codes[cv2.erode((scene.alpha >= SOLID).view(np.uint8), np.ones((side, side), np.uint8)) > 0] = KEPT
    if (glass := scene.glass) is not None:
        codes[glass & (codes < RIM)] = GLASS
    if scene.reduced is not None:
        codes[(codes == KEPT) & ~scene.reduced.whole_in(scene.size)] = EXEMPT
    for exempt in (scene.touched, None if scene.overlay is None else scene.overlay[..., 3] > 0):
        if exempt is not None:
            codes[exempt & (codes == KEPT)] = EXEMPT
    return codes


def is_outline(codes: Bytes) -> Mask:
    """Where the product is not solid, and the rim of what is."""
    return np.asarray((codes != OUTSIDE) & (codes <= RIM))


def measure(photo: Bytes, edited: Bytes, codes: Bytes, placement: tuple[int, int]) -> dict[str, object]:
    """All numbers of a certificate.

    Args:
        photo: (H', W', 3) sRGB, as it was before the edit; resampled where the edited picture shows it so.
        edited: (H, W, 3) or (H, W, 4) sRGB.
        codes: (H, W), see `regions`.
        placement: (top, left) of the photo's first pixel in the edited picture.
    """
    kept_everywhere = int((codes == KEPT).sum())
    photo, edited, codes = _overlap(photo, edited, codes, placement)
    return {
        "kept": {**kept_pixels(photo, edited[..., :3], codes), "outside_photo": kept_everywhere - _count(codes)},
        "halo": halo(photo, edited, codes),
        "text_regions": text_regions(photo, edited[..., :3], codes, placement),
    }


def kept_pixels(photo: Bytes, edited: Bytes, codes: Bytes) -> dict[str, object]:
    """Differences over the kept region of two aligned pictures, and the SHA-256 of its bytes in reading order."""
    total = _count(codes)
    every = max(1, -(-total // DELTA_E_SAMPLE))
    before, after = hashlib.sha256(), hashlib.sha256()
    seen = differing = largest = summed = 0
    errors: list[NDArray[np.float32]] = []
    for rows in _strips(len(codes)):
        mask = codes[rows] == KEPT
        ours, theirs = photo[rows][mask], edited[rows][mask]
        before.update(ours.tobytes())
        after.update(theirs.tobytes())
        apart = cv2.absdiff(ours, theirs) if len(ours) else ours
        differing += int((apart > 0).any(axis=1).sum())
        largest, summed = max(largest, int(apart.max(initial=0))), summed + int(apart.sum(dtype=np.int64))
        sample = slice(-seen % every, None, every)
        errors.append(_delta_e(ours[sample], theirs[sample]))
        seen += len(ours)
    spread = np.concatenate(errors) if errors else np.zeros(0, np.float32)
    middle, most = np.percentile(spread, [50, 95]) if total else (0, 0)
    return {
        "pixels": total,
        "differing": differing,
        "max_difference": largest if total else None,
        "mean_difference": _rounded(summed / (3 * total)) if total else None,
        "delta_e2000_p50": _rounded(middle) if total else None,
        "delta_e2000_p95": _rounded(most) if total else None,
        "delta_e2000_every": every,
        "sha256_before": before.hexdigest(),
        "sha256_after": after.hexdigest(),
    }


def halo(photo: Bytes, edited: Bytes, codes: Bytes) -> dict[str, object] | None:
    """How much of the old background shines at the outline: mean excess towards it, in CIELAB units; 0 is none.

    At each pixel of the outline: I and N are the means of the edited picture's product and background, O that of the
    photo's background, over those of their pixels that lie in a square of 17 px around it. M is what a clean cut
    would show: `a I + (1 - a) N`, mixed as sRGB values, a being the coverage. For the pixel's colour C the excess is
    `(C - M) · (O - M) / |O - M|`, and 0 where O and M are less than 10 apart, which nobody would tell from each
    other. It is averaged over the outline's pixels in the square, so that texture cancels out, and counts where it is
    positive. Where the edited picture is transparent, it is looked at on black if the old background was light, else
    on white: where a halo shows most.

    Returns:
        score, and the number of pixels that could be judged; None where there are none.
    """
    outline = is_outline(codes)
    rows, columns = np.flatnonzero(outline.any(1)), np.flatnonzero(outline.any(0))
    if not len(rows) or not (codes == OUTSIDE).any():
        return None
    ground = None
    if edited.shape[2] == 4:
        old = cv2.mean(photo, (codes == OUTSIDE).view(np.uint8))[:3]
        ground = 0 if sum(old) >= 3 * 128 else 255
    margin = 2 * _HALO_REACH_PX
    left, right = max(0, int(columns[0]) - margin), int(columns[-1]) + 1 + margin
    summed, count = 0.0, 0
    for strip in _strips(int(rows[-1]) + 1, int(rows[0])):
        top = max(0, strip.start - margin)
        window = (slice(top, strip.stop + margin), slice(left, right))
        inner = slice(strip.start - top, strip.stop - top)
        excess = _excess(photo[window], _on_ground(edited[window], ground), codes[window], inner)
        summed, count = summed + float(excess.sum(dtype=np.float64)), count + len(excess)
    return {"score": _rounded(summed / count), "pixels": count} if count else None


def text_regions(photo: Bytes, edited: Bytes, codes: Bytes, placement: tuple[int, int]) -> dict[str, object]:
    """Where the kept part of the photo looks like print, and the largest difference there.

    Args:
        photo: (H, W, 3), aligned with the other two.
        edited: (H, W, 3).
        codes: (H, W).
        placement: as of `measure`; boxes are given in the photo's own coordinates.

    Returns:
        count, boxes as [left, top, right, bottom], max_difference (None where there are none).
    """
    boxes = [box for box in text_boxes(photo) if _share_kept(codes, box) >= 0.5]
    largest = None
    for left, top, right, bottom in boxes:
        mask = codes[top:bottom, left:right] == KEPT
        apart = cv2.absdiff(photo[top:bottom, left:right], edited[top:bottom, left:right])[mask]
        largest = max(largest or 0, int(apart.max(initial=0)))
    dx, dy = max(0, -placement[1]), max(0, -placement[0])
    moved = [[left + dx, top + dy, right + dx, bottom + dy] for left, top, right, bottom in boxes]
    return {"count": len(moved), "boxes": moved, "max_difference": largest}


def text_boxes(rgb: Bytes) -> list[tuple[int, int, int, int]]:
    """Boxes (left, top, right, bottom) that look like lines of print: rows of strokes, close together.

    Classical and in whole numbers, so that everybody finds the same boxes: luma, reduced by block means to at most
    1600 px; morphological gradient; closing along the line; pieces that are wide, well filled, and crossed by many
    edges. Laces and stitches pass for print, too; large or upright lettering does not. At most 100 boxes, the largest.
    """
    factor = max(1, -(-max(rgb.shape[:2]) // _TEXT_LONGEST_PX))
    luma = _reduced_luma(rgb, factor)
    if min(luma.shape) < 8:
        return []
    gradient = cv2.morphologyEx(luma, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    edges = (gradient >= _TEXT_EDGE).astype(np.uint8)
    joined = cv2.morphologyEx(edges, cv2.MORPH_CLOSE, np.ones((3, 11), np.uint8))
    _, _, found, _ = cv2.connectedComponentsWithStats(joined, connectivity=4)
    found = found[1:]
    wide, high, area = found[:, cv2.CC_STAT_WIDTH], found[:, cv2.CC_STAT_HEIGHT], found[:, cv2.CC_STAT_AREA]
    likely = (high >= 6) & (high * 8 <= luma.shape[0]) & (2 * wide >= 3 * high) & (2 * area >= wide * high)
    rows = [tuple(int(v) for v in row[:5]) for row in found[likely]]
    lines = [row for row in rows if _is_print(edges[row[1] : row[1] + row[3], row[0] : row[0] + row[2]])]
    lines = sorted(lines, key=lambda row: (-row[4], row[1], row[0]))[:_TEXT_MOST]
    boxes = [(x * factor, y * factor, (x + w) * factor, (y + h) * factor) for x, y, w, h, _ in lines]
    return sorted(boxes, key=lambda box: (box[1], box[0], box[3], box[2]))


def _is_print(edges: Bytes) -> bool:
    """At least six changes from stroke to gap in a middle row, on average, and neither bare nor solid."""
    height = len(edges)
    middle = edges[height // 4 : height - height // 4]
    changes = int((middle[:, 1:] != middle[:, :-1]).sum())
    return changes >= 6 * len(middle) and 0.25 <= float(edges.mean()) <= 0.9


def _reduced_luma(rgb: Bytes, factor: int) -> Bytes:
    height, width = rgb.shape[0] // factor, rgb.shape[1] // factor
    reduced = np.empty((height, width), np.uint8)
    step = max(1, _STRIP_ROWS // factor)
    for top in range(0, height, step):
        bottom = min(height, top + step)
        part = rgb[top * factor : bottom * factor, : width * factor].astype(np.uint16)
        luma = (77 * part[..., 0] + 150 * part[..., 1] + 29 * part[..., 2]) >> 8
        blocks = luma.reshape(bottom - top, factor, width, factor).sum(axis=(1, 3), dtype=np.uint32)
        reduced[top:bottom] = blocks // factor**2
    return reduced


def _excess(photo: Bytes, edited: Bytes, codes: Bytes, inner: slice) -> NDArray[np.float32]:
    """The excess of `halo` at those outline pixels of the rows `inner` that have all three neighbours."""
    product, ground = codes >= GLASS, codes == OUTSIDE
    inside, beside = _around(product), _around(ground)
    band = is_outline(codes) & (inside > 0.5) & (beside > 0.5)
    if not band[inner].any():
        return np.zeros(0, np.float32)
    coverage = codes[band].astype(np.float32) / OPAQUE
    coverage[codes[band] == RIM] = 1
    cover = coverage[:, None]
    own, near = _total(edited, product, band) / inside[band][:, None], beside[band][:, None]
    mixed = np.asarray(cover * own + (1 - cover) * (_total(edited, ground, band) / near), np.float32)
    mixture, old, seen = _lab(mixed), _lab(_total(photo, ground, band) / near), cielab_from_srgb(edited[band])
    towards = old - mixture
    apart = np.sqrt((towards**2).sum(1))
    excess = np.zeros(band.shape, np.float32)
    excess[band] = np.where(apart < _HALO_APART, 0, ((seen - mixture) * towards).sum(1) / np.maximum(apart, 1e-6))
    local = _summed(excess) / np.maximum(_around(band), 1)
    return np.asarray(np.maximum(local[inner][band[inner]], 0), np.float32)


def _summed(layer: NDArray[np.float32] | Bytes) -> NDArray[np.float32]:
    """Sums over the square around each pixel; nothing lies outside of the picture. Those of bytes are exact."""
    side = (2 * _HALO_REACH_PX + 1, 2 * _HALO_REACH_PX + 1)
    summed = cv2.boxFilter(layer, cv2.CV_32F, side, normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(summed, np.float32)


def _around(mask: Mask) -> NDArray[np.float32]:
    """How many pixels of a mask lie in the square around each pixel."""
    return _summed(mask.view(np.uint8))


def _total(rgb: Bytes, mask: Mask, at: Mask) -> NDArray[np.float32]:
    """Sums of sRGB values (N, 3) over `mask` in the square around each pixel of `at`."""
    return _summed(np.asarray(cv2.bitwise_and(rgb, rgb, mask=mask.view(np.uint8)), np.uint8))[at]


def _lab(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    return cielab_from_srgb(np.rint(rgb).astype(np.uint8))


def _on_ground(edited: Bytes, ground: int | None) -> Bytes:
    if ground is None:
        return edited
    cover = edited[..., 3:].astype(np.uint16)
    return ((edited[..., :3] * cover + ground * (255 - cover) + 127) // 255).astype(np.uint8)


def _delta_e(first: Bytes, second: Bytes) -> NDArray[np.float32]:
    errors = np.zeros(len(first), np.float32)
    apart = (first != second).any(axis=1)
    if apart.any():
        errors[apart] = delta_e2000(cielab_from_srgb(first[apart]), cielab_from_srgb(second[apart]))
    return errors


def _overlap(photo: Bytes, edited: Bytes, codes: Bytes, placement: tuple[int, int]) -> tuple[Bytes, Bytes, Bytes]:
    """The three where both pictures are, aligned."""
    (top, left), (height, width) = placement, photo.shape[:2]
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = max(y0, min(codes.shape[0], top + height)), max(x0, min(codes.shape[1], left + width))
    here, there = (slice(y0, y1), slice(x0, x1)), (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    return photo[there], edited[here], codes[here]


def _strips(end: int, start: int = 0) -> Iterator[slice]:
    for top in range(start, end, _STRIP_ROWS):
        yield slice(top, min(end, top + _STRIP_ROWS))


def _share_kept(codes: Bytes, box: tuple[int, int, int, int]) -> float:
    left, top, right, bottom = box
    return float((codes[top:bottom, left:right] == KEPT).mean())


def _count(codes: Bytes) -> int:
    return int((codes == KEPT).sum())


def _rounded(value: object) -> float:
    return round(float(np.float64(value)), 4)  # type: ignore[arg-type]
