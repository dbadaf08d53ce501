"""Is the generator copying? Nearest training pictures, and how many are nearer than real pictures are to each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from packshot.evaluation.metrics import Features, nearest


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Nearest training pictures of generated ones, in one feature space.

    Attributes:
        distances: (N,) Euclidean.
        indices: (N,) positions among the training pictures.
        threshold: the distance within which only `percentile` per cent of real held-out pictures lie from training.
        percentile: see `threshold`.
        real_median: median distance of real held-out pictures to training.
    """

    distances: NDArray[np.float64]
    indices: NDArray[np.intp]
    threshold: float
    percentile: float
    real_median: float

    @property
    def share_nearer(self) -> float:
        """Share of generated pictures at `threshold` or nearer: also where it is 0, by duplicates in the catalogue.

        About `percentile` / 100 where generated pictures lie as real unseen ones do; far more means copies, or pictures
        that look like an average of many: the pairs want looking at (`closest`).
        """
        return float((self.distances <= self.threshold).mean())

    def closest(self, count: int) -> list[tuple[int, int, float]]:
        """(generated, training, distance) of the closest pairs, closest first."""
        order = np.argsort(self.distances, kind="stable")[:count]
        return [(int(k), int(self.indices[k]), float(self.distances[k])) for k in order]


def find_neighbours(generated: Features, train: Features, held_out: Features, *, percentile: float = 1.0) -> Neighbours:
    """Find the nearest training pictures.

    Args:
        generated: (N, D).
        train: (M, D) of every picture the generator was trained on.
        held_out: (K, D) of real pictures it was not trained on, which calibrate the distance.
        percentile: of the held-out distances, in (0, 100).

    Raises:
        InputError: a set is empty, lengths differ, or values are not finite.
    """
    distances, indices = nearest(generated, train)
    reference, _ = nearest(held_out, train)
    threshold = float(np.percentile(reference, percentile))
    return Neighbours(distances, indices, threshold, percentile, float(np.median(reference)))
