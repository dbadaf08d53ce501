"""Lines of lettering in a picture, found without a model: strokes of one width and one colour, set in rows.

A classical detector in the spirit of the stroke width transform (Epshtein, Ofek and Wexler 2010) with run-length
smearing for the rows (Wong, Casey and Wahl 1982), so that Latin letters and the parts of Chinese characters count alike.
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

SIDE = 1000
"""Longest side at which lines are looked for, pixels."""
STRONG = 40
"""Contrast in levels from which strokes count as printed; fainter ones, as a watermark's, are looked for apart."""
FAINT = 7
SMEARS = (11, 23, 47)
"""Gaps in pixels that are closed to make a row; a row's strokes are up to about three times as tall."""
FEWEST = 4
"""Strokes or letters in a row."""


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
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    covered = cv2.resize(product.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    found: list[Line] = []
    for dark in (True, False):
        for line in _of_polarity(grey, covered, dark, faint):
            if not any(_overlap(line.box, other.box) > 0.3 for other in found):
                found.append(line)
    return sorted(found, key=lambda line: -(line.box[2] - line.box[0]) * (line.box[3] - line.box[1]))


def _of_polarity(grey: Bytes, covered: Mask, dark: bool, faint: bool) -> Iterator[Line]:
    reach = max(15, round(0.09 * min(grey.shape))) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (reach, reach))
    relief = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT if dark else cv2.MORPH_TOPHAT, kernel)
    marked = (relief >= FAINT) & (cv2.dilate(relief, np.ones((5, 5))) < STRONG) if faint else relief >= STRONG
    count, labels, stats, _ = cv2.connectedComponentsWithStats(marked.astype(np.uint8), connectivity=8)
    strokes = _strokes(labels, stats, grey.shape)
    for smear in SMEARS:
        tall = [index for index in strokes if 0.35 * smear <= stats[index, cv2.CC_STAT_HEIGHT] <= 3.2 * smear]
        if len(tall) >= FEWEST:
            yield from _rows(grey, relief, covered, labels, stats, np.array(tall), smear, count)


def _strokes(labels: NDArray[np.int32], stats: NDArray[np.int32], size: tuple[int, ...]) -> list[int]:
    """Components that may be letters: not too large, thin for their height, and of one width."""
    width, height, area = (stats[:, k] for k in (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA))
    fits = (height >= 5) & (height <= 0.2 * size[0]) & (width <= 0.25 * size[1]) & (width <= 4 * height)
    fits &= (area >= 8) & (area >= 0.1 * width * height) & (area <= 0.92 * width * height)
    fits[0] = False
    kept = []
    for index in np.flatnonzero(fits)[:4000]:
        left, top = stats[index, cv2.CC_STAT_LEFT], stats[index, cv2.CC_STAT_TOP]
        part = labels[top : top + height[index], left : left + width[index]] == index
        inside = cv2.distanceTransform(np.pad(part, 1).astype(np.uint8), cv2.DIST_L2, 3)
        thickest, mean = float(inside.max()), float(inside[inside > 0].mean())
        if thickest <= 0.26 * max(height[index], width[index]) + 1 and thickest <= 2.6 * mean:
            kept.append(int(index))
    return kept


def _rows(
    grey: Bytes,
    relief: Bytes,
    covered: Mask,
    labels: NDArray[np.int32],
    stats: NDArray[np.int32],
    tall: NDArray[np.int64],
    smear: int,
    count: int,
) -> Iterator[Line]:
    chosen = np.zeros(count, bool)
    chosen[tall] = True
    marks = chosen[labels].astype(np.uint8)
    rows = cv2.morphologyEx(marks, cv2.MORPH_CLOSE, np.ones((max(3, smear // 4), smear), np.uint8))
    found, of_row, boxes, _ = cv2.connectedComponentsWithStats(rows, connectivity=8)
    middle_y = (stats[tall, cv2.CC_STAT_TOP] + stats[tall, cv2.CC_STAT_HEIGHT] // 2).clip(0, grey.shape[0] - 1)
    first_x = [int(np.flatnonzero(labels[y] == index)[0]) if (labels[y] == index).any() else -1
               for y, index in zip(middle_y, tall, strict=True)]  # fmt: skip
    member = np.array([of_row[y, x] if x >= 0 else 0 for y, x in zip(middle_y, first_x, strict=True)])
    for row in range(1, found):
        members = tall[member == row]
        line = _line(grey, relief, covered, labels, stats, members, boxes[row])
        if line is not None:
            yield line


def _line(
    grey: Bytes,
    relief: Bytes,
    covered: Mask,
    labels: NDArray[np.int32],
    stats: NDArray[np.int32],
    members: NDArray[np.int64],
    box: NDArray[np.int32],
) -> Line | None:
    left, top, wide, high = (int(v) for v in box[:4])
    heights = stats[members, cv2.CC_STAT_HEIGHT]
    if len(members) < FEWEST or wide < 2.2 * high or high > 3.0 * float(np.median(heights)):
        return None
    if float((heights >= 0.4 * high).mean()) < 0.5:
        return None
    window = (slice(top, top + high), slice(left, left + wide))
    marks = np.isin(labels[window], members)
    inside = cv2.distanceTransform(np.pad(marks, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    ridge = inside[(inside >= cv2.dilate(inside, np.ones((3, 3)))) & marks]
    fill = float(marks.mean())
    if not 0.12 <= fill <= 0.75 or not len(ridge) or float(ridge.std() / ridge.mean()) > 0.6:
        return None
    core = marks & (inside >= max(1.0, float(np.median(ridge)) * 0.8))
    tone = grey[window][core]
    frame = (grey.shape[1], grey.shape[0])
    return Line(
        box=(left / frame[0], top / frame[1], (left + wide) / frame[0], (top + high) / frame[1]),
        strokes=len(members),
        contrast=float(np.median(relief[window][marks])),
        evenness=float(np.abs(tone.astype(np.float32) - np.median(tone)).mean()) if len(tone) else 255.0,
        on_product=float(covered[window][marks].mean()),
    )


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    return wide * high / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
