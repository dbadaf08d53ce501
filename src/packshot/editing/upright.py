"""How far a product leans: from its outline where it is cut out, from long straight lines where it is not."""

from __future__ import annotations

import math
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from packshot.editing.scene import Bytes, Scene
from packshot.images import reduced

MAX_TILT = 45.0
"""Degrees; a product that leans more lies on its other side."""

_SIDE = 320  # an outline of this size tells a tenth of a degree
_CUT_OFF = 0.05  # of the box's width and height that may lie along the picture's edge
_REACH = 30  # degrees within which an axis of symmetry is looked for
_SYMMETRIC = 0.9  # overlap with the mirror image, if there is to be an axis
_GAIN = 0.015  # of that overlap against an upright axis: less, and the axis is anywhere
_SQUARE = 0.88  # of the smallest rectangle that the product fills, if it is to count as a box
_LONG = 3.5  # length over width from which a principal axis is meant
_LINES_SIDE = 1024
_LINES_REACH = 12.0  # degrees; lines that lean more belong to the product's form, not to a crooked camera
_LINES_LEAST = 0.6  # total length of agreeing lines, in widths of the picture
_LINES_SHARE = 0.45  # of the length of all lines


def estimate_tilt(scene: Scene) -> float | None:
    """Degrees by which the product leans clockwise, -45 to 45; None where that cannot be told.

    A cut-out product is asked for a rectangle's sides, then for an axis of symmetry, then, if it is long, for its
    principal axis. A photo that is not cut out is asked for lines that agree to be nearly level or upright.
    """
    if scene.alpha is None:
        return _tilt_of_lines(scene.product)
    mask = _small_mask(scene.alpha)
    if mask is None:
        return None
    for ask in (_tilt_of_rectangle, _tilt_of_symmetry, _tilt_of_axis):
        found = ask(mask)
        if found is not None:
            return found
    return None


def _small_mask(alpha: Bytes) -> Bytes | None:
    """Coverage, its box's longer side `_SIDE`, in the middle of a square that holds it at every angle.

    None where there is next to nothing, or the picture's edge cuts the product off: its outline is then the frame's.
    """
    mask = cv2.threshold(alpha, 127, 255, cv2.THRESH_BINARY)[1]
    left, top, width, height = cv2.boundingRect(mask)
    edge = sum(int(np.count_nonzero(line)) for line in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    if width * height < 64 or edge > _CUT_OFF * (width + height):
        return None
    scale = _SIDE / max(width, height)
    cut = cv2.resize(alpha[top : top + height, left : left + width], None, fx=scale, fy=scale, interpolation=3)
    pad = _SIDE // 4
    return np.pad(cut, ((pad + (_SIDE - cut.shape[0]) // 2,) * 2, (pad + (_SIDE - cut.shape[1]) // 2,) * 2))


def _tilt_of_rectangle(mask: Bytes) -> float | None:
    points = cv2.findNonZero(cv2.threshold(mask, 127, 255, cv2.THRESH_BINARY)[1])
    (_, (width, height), angle) = cv2.minAreaRect(points)
    if width * height <= 0 or len(points) / (width * height) < _SQUARE:
        return None
    return _to_nearest_quarter(float(angle))


def _tilt_of_symmetry(mask: Bytes) -> float | None:
    """The lean of the axis, upright or level, about which the outline mirrors itself best; all angles are tried."""
    best: float | None = None
    most = _SYMMETRIC
    for axis in (1, 0):
        lean = max((float(k) for k in range(-_REACH, _REACH + 1, 3)), key=partial(_overlap, mask, axis))
        for step in (1.0, 0.3, 0.1):
            lean = max((lean + step * k for k in range(-3, 4)), key=partial(_overlap, mask, axis))
        score = _overlap(mask, axis, lean)
        if abs(lean) < _REACH and score >= most and score >= _overlap(mask, axis, 0.0) + _GAIN:
            best, most = lean, score
    return best


def _overlap(mask: Bytes, axis: int, lean: float) -> float:
    """Intersection over union of the mask, turned back by `lean`, with its mirror image."""
    moments = cv2.moments(mask)
    middle = (moments["m10"] / moments["m00"], moments["m01"] / moments["m00"])
    matrix = cv2.getRotationMatrix2D(middle, lean, 1)
    matrix[:, 2] += ((mask.shape[1] - 1) / 2 - middle[0], (mask.shape[0] - 1) / 2 - middle[1])
    turned = cv2.warpAffine(mask, matrix, mask.shape[::-1], flags=cv2.INTER_LINEAR)
    apart = cv2.norm(turned, np.ascontiguousarray(np.flip(turned, axis)), cv2.NORM_L1)
    total = 2 * cv2.norm(turned, cv2.NORM_L1)
    return float((total - apart) / (total + apart))


def _tilt_of_axis(mask: Bytes) -> float | None:
    m = cv2.moments(mask)
    a, b, c = m["mu20"], m["mu11"], m["mu02"]
    spread = math.hypot(a - c, 2 * b)
    long, short = (a + c + spread) / 2, (a + c - spread) / 2
    if short <= 0 or math.sqrt(long / short) < _LONG:
        return None
    return _to_nearest_quarter(math.degrees(math.atan2(2 * b, a - c) / 2))


def _tilt_of_lines(rgb: Bytes) -> float | None:
    grey = cv2.cvtColor(reduced(rgb, _LINES_SIDE), cv2.COLOR_RGB2GRAY)
    lines = _lines(np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.0), np.uint8))
    if lines is None:
        return None
    delta = lines[:, 2:] - lines[:, :2]
    length = np.hypot(delta[:, 0], delta[:, 1])
    lean = (np.degrees(np.arctan2(delta[:, 1], delta[:, 0])) + 45) % 90 - 45
    near = np.abs(lean) <= _LINES_REACH
    if not near.any():
        return None
    steps = np.arange(-_LINES_REACH, _LINES_REACH + 0.05, 0.1)
    votes = (length[near] * np.exp(-0.5 * ((lean[near] - steps[:, None]) / 0.6) ** 2)).sum(1)
    peak = float(steps[votes.argmax()])
    agree = near & (np.abs(lean - peak) < 1.2)
    total = float(length[agree].sum())
    if total < _LINES_LEAST * max(grey.shape) or total < _LINES_SHARE * float(length.sum()):
        return None
    return float(np.average(lean[agree], weights=length[agree]))


def _lines(grey: Bytes) -> NDArray[np.float64] | None:
    """(N, 4) ends of straight lines: x0, y0, x1, y1."""
    edges = cv2.Canny(grey, 40, 120)
    least = max(grey.shape) // 10
    found = cv2.HoughLinesP(edges, 1, math.radians(0.25), 60, minLineLength=least, maxLineGap=4)
    return None if found is None else np.asarray(found, np.float64).reshape(-1, 4)


def _to_nearest_quarter(degrees: float) -> float:
    return (degrees + 45) % 90 - 45
