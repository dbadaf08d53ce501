"""How near any recolouring could come to the true photo, for `recolour.py`: maps that were fitted to the answer.

None of these can be had by an editor. `affine` is the best affine map of CIELAB; `by colour` gives each pixel what the
25 pixels nearest to it in colour became, those of the pixel's own fifth of the picture's pixels left out; `aligned`
compares an edit with the true photo after that was registered onto the first.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NEIGHBOURS = 25
FOLDS = 5
MOST = 2000


def affine(old: Array, true: Array) -> Array:
    """(N, 3) the affine map of `old` that is nearest to `true`, by least absolute distances (reweighted squares)."""
    terms, weight = np.c_[old, np.ones(len(old))], np.ones(len(old))
    for _ in range(15):
        found = np.linalg.lstsq(terms * weight[:, None], true * weight[:, None], rcond=None)[0]
        weight = 1 / np.sqrt(np.maximum(np.linalg.norm(terms @ found - true, axis=1), 0.3))
    return np.asarray(terms @ found)


def by_colour(old: Array, true: Array) -> tuple[Array, Array]:
    """What each of at most `MOST` pixels would be by its colour alone, and what it truly is."""
    rng = np.random.default_rng(0)
    some = rng.permutation(len(old))[:MOST]
    old, true, fold = old[some], true[some], rng.integers(0, FOLDS, len(some))
    guess = np.empty_like(true)
    for k in range(FOLDS):
        known, asked = old[fold != k], old[fold == k]
        squares = (asked**2).sum(1)[:, None] + (known**2).sum(1)[None] - 2 * asked @ known.T
        near = np.argpartition(squares, min(NEIGHBOURS, len(known) - 1), axis=1)[:, :NEIGHBOURS]
        guess[fold == k] = np.median(true[fold != k][near], axis=1)
    return guess, true


def registered(photo: Array, truth: Array) -> Array:
    """`truth` warped affinely so that its edges lie on the photo's (ECC); as it is where that finds nothing."""
    edges = [_edges(picture) for picture in (photo, truth)]
    way = np.eye(2, 3, dtype=np.float32)
    try:
        stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-5)
        _, way = cv2.findTransformECC(*edges, way, cv2.MOTION_AFFINE, stop, None, 3)
    except cv2.error:  # it does not converge
        return truth
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(truth, way, photo.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _edges(picture: Array) -> Array:
    light = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)[..., 0].astype(np.float32)
    return np.hypot(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1))
