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

SIDE = 800
"""Longest side at which lines are looked for, pixels."""
STRONG = 40
"""Contrast in levels from which strokes count as printed; fainter ones, as a watermark's, are looked for apart."""
FAINT = 7
SMEARS = (9, 19, 38, 64)
"""Gaps in pixels that are closed to make a row; a row's strokes are up to about three times as tall."""
FEWEST = 3
"""Strokes or letters in a row."""
LONG = 1.6
"""Width of a row over its height, at the least, before it is looked at closely."""
POOL = 4
"""Pixels to a side that are taken together where rows are joined."""


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


def find_lines(rgb: Bytes, product: Mask) -> tuple[list[Line], list[Line]]:
    """The rows of lettering in a picture, largest first: the printed ones, and those fainter than `STRONG`.

    Args:
        rgb: (H, W, 3) sRGB bytes.
        product: (h, w) where the product is, at any size.
    """
    height, width = rgb.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    if min(size) < 2 * POOL:
        return [], []
    grey = np.asarray(cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), size, interpolation=how), np.uint8)
    covered = np.asarray(cv2.resize(product.view(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0)
    reach = max(15, round(0.09 * min(grey.shape))) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (reach, reach))
    printed: list[Line] = []
    faint: list[Line] = []
    for operation in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT):  # dark letters, light ones
        relief = np.asarray(cv2.morphologyEx(grey, operation, kernel), np.uint8)
        weak = (relief >= FAINT) & (cv2.dilate(relief, np.ones((5, 5))) < STRONG) & ~covered
        for marked, found in ((relief >= STRONG, printed), (weak, faint)):
            for line in _marked(_Marks.found(grey, relief, covered, marked)):
                if not any(_overlap(line.box, other.box) > 0.3 for other in found):
                    found.append(line)
    return _by_size(printed), _by_size(faint)


def _by_size(lines: list[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: -(line.box[2] - line.box[0]) * (line.box[3] - line.box[1]))


@dataclass(frozen=True, slots=True)
class _Marks:
    """What stands out from a picture in one polarity.

    Attributes:
        grey: (H, W) the picture.
        relief: (H, W) by how many levels each pixel stands out.
        covered: (H, W) where the product is.
        labels: (H, W) number of each pixel's component.
        stats: (N, 5) of the components, as OpenCV gives them.
        strokes: components that may be letters: not too large, thin for their height, and of one width.
        place: (N,) flat position of some pixel of each stroke.
        inside: flat positions of all pixels of what may be strokes by size and shape.
        of: the component of each of them.
    """

    grey: Bytes
    relief: Bytes
    covered: Mask
    labels: Whole
    stats: Whole
    strokes: Whole
    place: NDArray[np.int64]
    inside: NDArray[np.int64]
    of: Whole

    @classmethod
    def found(cls, grey: Bytes, relief: Bytes, covered: Mask, marked: Mask) -> _Marks:
        """The components of what is marked."""
        _, numbers, boxes, _ = cv2.connectedComponentsWithStats(marked.view(np.uint8), connectivity=8)
        labels, stats = np.asarray(numbers, np.int32), np.asarray(boxes, np.int32)
        _, _, width, height, area = stats.T
        rows, columns = grey.shape
        fits = (np.maximum(width, height) >= 5) & (height <= 0.2 * rows) & (width <= 0.25 * columns)
        fits &= (width <= 9 * height) & (area >= 8) & (area >= 0.1 * width * height) & (area <= 0.92 * width * height)
        fits[0] = False
        inside = np.flatnonzero(np.take(fits, labels))
        of, depth = labels.flat[inside], _depth(marked).flat[inside]
        thickest, place = np.zeros(len(area), np.float32), np.zeros(len(area), np.int64)
        np.maximum.at(thickest, of, depth)
        place[of] = inside
        fits &= thickest <= 0.26 * np.maximum(height, width) + 1
        fits &= thickest <= 3.2 * np.bincount(of, depth, len(area)) / np.maximum(area, 1)
        strokes = np.flatnonzero(fits).astype(np.int32)
        return cls(grey, relief, covered, labels, stats, strokes, place, inside, of)


def _marked(marks: _Marks) -> Iterator[Line]:
    strokes = marks.strokes
    extent = marks.stats[strokes, cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1].max(axis=1)  # 一 is a letter, too
    for smear in SMEARS:
        tall = strokes[(extent >= 0.35 * smear) & (extent <= 3.2 * smear)]
        if len(tall) >= FEWEST:
            yield from _rows(marks, tall, smear)


def _depth(mask: Mask) -> NDArray[np.float32]:
    """Distance of each pixel of a mask to what is not in it."""
    return np.asarray(cv2.distanceTransform(np.pad(mask, 1).view(np.uint8), cv2.DIST_L2, 3), np.float32)[1:-1, 1:-1]


def _rows(marks: _Marks, tall: Whole, smear: int) -> Iterator[Line]:
    pool = POOL if smear > SMEARS[0] else POOL // 2
    chosen = np.zeros(len(marks.stats), np.uint8)
    chosen[tall] = 255
    high, wide = (side // pool for side in marks.grey.shape)
    drawn = np.zeros(marks.grey.shape, np.uint8)
    drawn.flat[marks.inside] = chosen[marks.of]
    small = cv2.resize(drawn[: high * pool, : wide * pool], (wide, high), interpolation=cv2.INTER_AREA) > 0
    gap = np.ones((max(1, round(smear / 4 / pool)), round(smear / pool)), np.uint8)
    rows = cv2.morphologyEx(small.view(np.uint8), cv2.MORPH_CLOSE, gap)
    found, of_row, boxes, _ = cv2.connectedComponentsWithStats(rows, connectivity=8)
    y, x = np.divmod(marks.place[tall], marks.grey.shape[1])
    row_of = of_row[np.minimum(y // pool, high - 1), np.minimum(x // pool, wide - 1)]
    most = np.bincount(row_of, minlength=found)
    for row in np.flatnonzero(most >= FEWEST):
        members = tall[row_of == row]
        if row == 0 or boxes[row][cv2.CC_STAT_WIDTH] < LONG * boxes[row][cv2.CC_STAT_HEIGHT]:
            continue
        line = _line(marks, members, _around(marks.stats[members]))
        if line is not None:
            yield line


def _around(stats: Whole) -> Box:
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    right, bottom = left + stats[:, cv2.CC_STAT_WIDTH], top + stats[:, cv2.CC_STAT_HEIGHT]
    return int(left.min()), int(top.min()), int(right.max()), int(bottom.max())


def _line(marks: _Marks, members: Whole, box: Box) -> Line | None:
    """The row of these components, if it looks like lettering."""
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    extent = marks.stats[members, cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1].max(axis=1)
    if wide < 2.2 * high or high > 3.0 * float(np.median(extent)):
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
