"""The materials of a product: its pixels clustered in OKLab, clusters that run into one another being joined."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from packshot.editing.scene import Mask

Floats = NDArray[np.float32]

_CLUSTERS = 10
_LIGHTNESS_SHARE = 0.55
"""Weight of a difference in lightness beside one in a or b: light falls unevenly, dyes do not."""
_DIP = 0.55
"""Two clusters are one material where the least density between them is at least so much of the smaller peak."""
_ALIKE, _UNLIKE = 0.045, (0.15, 0.09)
"""Clusters nearer than the first are one material in any light; farther in lightness or tint than the second, never."""
TINT, _SAME_TINT, _FOLDS = 0.035, 0.035, 0.17
"""Tints from the first on tell dyes apart; those nearer than the second are one dye, over so much lightness."""
_FEW = 0.02
"""Clusters with a smaller share of the pixels do not join others to each other."""
_CALM = 0.02
"""A pixel is calm if OKLab changes at the most by so much around it, or if most of the product's change more."""


@dataclass(frozen=True, slots=True)
class Material:
    """Pixels of one dye, or what looks like it.

    Attributes:
        centres: (K, 3) of its clusters, in the clustering's `space`.
        colour: (3,) OKLab median.
        share: of the product's pixels.
    """

    centres: Floats
    colour: Floats
    share: float


def space(lab: Floats) -> Floats:
    """The clustering's space: a dye in more light keeps a/L and b/L, so that these count, damped in the dark."""
    light = np.maximum(lab[..., :1], 0.0)
    return np.asarray(np.concatenate([light * _LIGHTNESS_SHARE, lab[..., 1:] * (0.85 / (light + 0.25))], axis=-1))


def lab_of(points: Floats) -> Floats:
    """OKLab of points in the clustering's space."""
    light = points[..., :1] / _LIGHTNESS_SHARE
    return np.asarray(np.concatenate([light, points[..., 1:] * ((light + 0.25) / 0.85)], axis=-1))


def calm_pixels(lab: Floats, inside: Mask) -> Mask:
    """Pixels around which the colour hardly changes: those on edges mix two sides, and would bridge them."""
    box = np.ones((3, 3), np.uint8)
    change = np.asarray(cv2.dilate(lab, box) - cv2.erode(lab, box)).max(axis=2)
    return np.asarray(inside & (change <= max(float(np.quantile(change[inside], 0.6)), _CALM)))


def materials_of(lab: Floats, calm: Mask) -> list[Material]:
    """The materials of a set of pixels (N, 3), largest share first; calm ones say what they are."""
    points = space(lab)
    some = points[calm] if calm.sum() > 1 else np.repeat(points, 2, axis=0)
    count = min(_CLUSTERS, len(some))
    cv2.setRNGSeed(1)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 1e-3)
    _, labels, found_centres = cv2.kmeans(some, count, np.empty(0), stop, 2, cv2.KMEANS_PP_CENTERS)
    centres = np.asarray(found_centres, np.float32)
    group = np.array(_joined(some, np.asarray(labels, np.int32).ravel(), centres), np.int32)
    nearest = group[nearest_index(points, centres)]
    found = []
    for name in np.unique(group):
        members = nearest == name
        if members.any():
            colour = np.asarray(np.median(lab[members], axis=0))
            found.append(Material(np.asarray(centres[group == name]), colour, float(members.mean())))
    return sorted(found, key=lambda material: -material.share)


def _joined(points: Floats, labels: NDArray[np.int32], centres: Floats) -> list[int]:
    """The group of each cluster, nearest first: those are joined that are alike, or between which nothing is missing.

    Clusters of few pixels are joined to others, but join no others.
    """
    shares = np.bincount(labels, minlength=len(centres)) / len(labels)
    group = list(range(len(centres)))
    apart = np.sqrt(((centres[:, None] - centres[None]) ** 2).sum(-1))
    pairs = [(float(apart[i, j]), i, j) for i in range(len(centres)) for j in range(i + 1, len(centres))]
    for distance, i, j in sorted(pairs):
        bridge = any(min(shares[k], shares[m]) < _FEW and group.count(group[k]) > 1 for k, m in ((i, j), (j, i)))
        axis = np.abs(centres[i] - centres[j])
        possible = axis[0] < _UNLIKE[0] and float(np.hypot(axis[1], axis[2])) < _UNLIKE[1]
        alike = distance < _ALIKE or (possible and _run_together(points, labels, centres, i, j))
        alike = alike or _one_hue(centres[i], centres[j])
        if group[i] != group[j] and alike and not (bridge and distance >= _ALIKE / 2):
            old = group[j]
            group = [group[i] if name == old else name for name in group]
    return group


def _one_hue(first: Floats, second: Floats) -> bool:
    """Whether two colours are one dye in more and in less light: tinted alike, and not as unlike as two products."""
    away, tints = np.abs(first - second), [float(np.hypot(*colour[1:])) for colour in (first, second)]
    return min(tints) > TINT and away[0] < _FOLDS and float(np.hypot(*away[1:])) < _SAME_TINT


def _run_together(points: Floats, labels: NDArray[np.int32], centres: Floats, i: int, j: int) -> bool:
    """Whether the density between two clusters, along the line of their centres, does not dip."""
    axis = centres[j] - centres[i]
    along = (points[(labels == i) | (labels == j)] - centres[i]) @ axis / float((axis**2).sum())
    bins, _edges = np.histogram(along, bins=16, range=(-0.5, 1.5))
    density = np.convolve(np.pad(bins, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    peaks = min(density[:8].max(), density[8:].max())
    return bool(density[5:11].min() >= _DIP * peaks)


def nearest_index(points: Floats, centres: Floats) -> NDArray[np.intp]:
    """(N,) the nearest of the centres (K, 3) to each point (N, 3)."""
    return np.asarray(_squares(points, centres).argmin(axis=1))


def _squares(points: Floats, centres: Floats) -> Floats:
    return np.asarray((points**2).sum(1)[:, None] - 2 * points @ centres.T + (centres**2).sum(1))
