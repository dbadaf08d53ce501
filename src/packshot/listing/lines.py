"""Lines of lettering in a picture, found without a model: strokes of one width and one colour, set in rows.

A classical detector in the spirit of the stroke width transform (Epshtein, Ofek and Wexler 2010) with run-length
smearing for the rows (Wong, Casey and Wahl 1982), so that Latin letters and parts of Chinese characters count alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]
Whole = NDArray[np.int32]

SIDE = 1000
"""Longest side at which lines are looked for, pixels."""
STRONG = 40
"""Contrast in levels from which strokes count as printed; fainter ones, as a watermark's, are looked for apart."""
FAINT = 7
SMEARS = (11, 23, 47, 80)
"""Gaps in pixels that are closed to make a row; a row's strokes are up to about three times as tall."""
FEWEST = 3
"""Strokes or letters in a row."""
MOST = 4000
"""Components that are looked at, first ones first: a texture has more."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of lettering.

    Attributes:
        box: left, top, right, bottom, in shares of the frame.
        strokes: letters or parts of characters in it.
        contrast: levels between them and what is around.
        evenness: standard deviation of the strokes' grey, levels; a digital overlay's is nearly 0.
        on_product: share of the strokes that lies on the product.
    """

    box: tuple[float, float, float, float]
    strokes: int
    contrast: float
    evenness: float
    on_product: float


def find_lines(rgb: Bytes, product: Mask, *, faint: bool = False) -> list[Line]:
    """The rows of lettering in a picture, largest first.

    Args:
        rgb: (H, W, 3) sRGB bytes.
        product: (h, w) where the product is, at any size.
        faint: look for strokes fainter than `STRONG` instead.
    """
    height, width = rgb.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    grey = np.asarray(cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), size, interpolation=how), np.uint8)
    covered = np.asarray(cv2.resize(product.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0)
    found: list[Line] = []
    for dark in (True, False):
        for line in _of_polarity(grey, covered, dark, faint):
            if not any(_overlap(line.box, other.box) > 0.3 for other in found):
                found.append(line)
    return sorted(found, key=lambda line: -(line.box[2] - line.box[0]) * (line.box[3] - line.box[1]))


@dataclass(frozen=True, slots=True)
class _Marks:
    """What stands out from a picture in one polarity.

    Attributes:
        grey: (H, W) the picture.
        relief: (H, W) by how many levels each pixel stands out.
        covered: (H, W) where the product is.
        labels: (H, W) number of each pixel's component.
        stats: (N, 5) of the components, as OpenCV gives them.
    """

    grey: Bytes
    relief: Bytes
    covered: Mask
    labels: Whole
    stats: Whole


def _of_polarity(grey: Bytes, covered: Mask, dark: bool, faint: bool) -> Iterator[Line]:
    reach = max(15, round(0.09 * min(grey.shape))) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (reach, reach))
    operation = cv2.MORPH_BLACKHAT if dark else cv2.MORPH_TOPHAT
    relief = np.asarray(cv2.morphologyEx(grey, operation, kernel), np.uint8)
    marked = (relief >= FAINT) & (cv2.dilate(relief, np.ones((5, 5))) < STRONG) if faint else relief >= STRONG
    _, labels, stats, _ = cv2.connectedComponentsWithStats(marked.astype(np.uint8), connectivity=8)
    marks = _Marks(grey, relief, covered, np.asarray(labels, np.int32), np.asarray(stats, np.int32))
    strokes = _strokes(marks)
    extent = marks.stats[strokes, cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1].max(axis=1)  # 一 is a letter, too
    for smear in SMEARS:
        tall = strokes[(extent >= 0.35 * smear) & (extent <= 3.2 * smear)]
        if len(tall) >= FEWEST:
            yield from _rows(marks, tall, smear)


def _strokes(marks: _Marks) -> Whole:
    """Components that may be letters: not too large, thin for their height, and of one width."""
    left, top, width, height, area = marks.stats.T
    rows, columns = marks.grey.shape
    fits = (np.maximum(width, height) >= 5) & (height <= 0.2 * rows) & (width <= 0.25 * columns) & (width <= 9 * height)
    fits &= (area >= 8) & (area >= 0.1 * width * height) & (area <= 0.92 * width * height)
    fits[0] = False
    kept = []
    for index in np.flatnonzero(fits)[:MOST]:
        window = (slice(top[index], top[index] + height[index]), slice(left[index], left[index] + width[index]))
        inside = _depth(marks.labels[window] == index)
        thickest, mean = float(inside.max()), float(inside[inside > 0].mean())
        if thickest <= 0.26 * max(height[index], width[index]) + 1 and thickest <= 3.2 * mean:
            kept.append(index)
    return np.array(kept, np.int32)


def _depth(mask: Mask) -> NDArray[np.float32]:
    """Distance of each pixel of a mask to what is not in it."""
    return np.asarray(cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3), np.float32)[1:-1, 1:-1]


def _rows(marks: _Marks, tall: Whole, smear: int) -> Iterator[Line]:
    chosen = np.zeros(len(marks.stats), bool)
    chosen[tall] = True
    drawn = chosen[marks.labels]
    rows = cv2.morphologyEx(drawn.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((max(3, smear // 4), smear), np.uint8))
    found, of_row, boxes, _ = cv2.connectedComponentsWithStats(rows, connectivity=8)
    row_of = np.zeros(len(marks.stats), np.int32)
    row_of[marks.labels[drawn]] = of_row[drawn]
    for row in range(1, found):
        left, top, wide, high = (int(v) for v in boxes[row][:4])
        line = _line(marks, tall[row_of[tall] == row], (left, top, left + wide, top + high))
        if line is not None:
            yield line


def _line(marks: _Marks, members: Whole, box: Box) -> Line | None:
    """The row of these components, if it looks like lettering."""
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    extent = marks.stats[members, cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1].max(axis=1)
    if len(members) < FEWEST or wide < 2.2 * high or high > 3.0 * float(np.median(extent)):
        return None
    if float((extent >= 0.4 * high).mean()) < 0.5:
        return None
    window = (slice(top, bottom), slice(left, right))
    drawn = np.isin(marks.labels[window], members)
    inside = _depth(drawn)
    ridge = inside[(inside >= cv2.dilate(inside, np.ones((3, 3)))) & drawn]
    if not 0.12 <= float(drawn.mean()) <= 0.75 or float(ridge.std() / ridge.mean()) > 0.6:
        return None
    core = drawn & (inside >= max(1.0, float(np.median(ridge)) * 0.8))
    tone = marks.grey[window][core].astype(np.float32)
    height, width = marks.grey.shape
    return Line(
        box=(left / width, top / height, right / width, bottom / height),
        strokes=len(members),
        contrast=float(np.median(marks.relief[window][drawn])),
        evenness=float(np.abs(tone - np.median(tone)).mean()) if len(tone) else 255.0,
        on_product=float(marks.covered[window][drawn].mean()),
    )


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    return wide * high / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
