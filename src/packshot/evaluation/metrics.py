"""Measures of pictures and of sets of feature vectors: pure numpy, no networks, no files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from packshot.errors import InputError

Features = NDArray[np.floating]
Float = NDArray[np.float64]

_ROWS = 512
"""Rows of a distance matrix that exist at a time: 5,000 x 5,000 stays under 25 MB."""
_LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of Y' (ITU-R BT.601-7, section 2.5.1), the luma that SSIM figures in the literature are computed on."""


class FeatureStatistics:
    """Mean and covariance of a stream of feature vectors, without keeping them (Chan et al. 1979, pairwise update)."""

    def __init__(self) -> None:
        self.count = 0
        self._mean: Float = np.zeros(0)
        self._scatter: Float = np.zeros((0, 0))

    def add(self, batch: Features) -> None:
        """Take in (N, D) features; N may be 0.

        Raises:
            InputError: not (N, D), another D than before, or values that are not finite.
        """
        values = _checked("features", batch)
        if not len(values):
            return
        if not self.count:
            self._mean, self._scatter = np.zeros(values.shape[1]), np.zeros((values.shape[1],) * 2)
        elif values.shape[1] != len(self._mean):
            raise InputError("features", f"length {values.shape[1]}", f"length {len(self._mean)}, as before")
        mean = values.mean(0)
        centred, shift = values - mean, mean - self._mean
        total = self.count + len(values)
        self._scatter += centred.T @ centred + np.outer(shift, shift) * (self.count * len(values) / total)
        self._mean = self._mean + shift * (len(values) / total)
        self.count = total

    @classmethod
    def of(cls, batches: Iterable[Features]) -> FeatureStatistics:
        """Statistics of all batches of an iterator; see `add`."""
        statistics = cls()
        for batch in batches:
            statistics.add(batch)
        return statistics

    @property
    def mean(self) -> Float:
        """(D,).

        Raises:
            InputError: nothing was added.
        """
        if not self.count:
            raise InputError("features", "none", "one vector or more")
        return self._mean

    @property
    def covariance(self) -> Float:
        """(D, D), unbiased (divided by N - 1).

        Raises:
            InputError: fewer than two vectors were added.
        """
        if self.count < 2:
            raise InputError("features", f"{self.count} vectors", "two or more")
        return self._scatter / (self.count - 1)


@dataclass(frozen=True, slots=True)
class KernelDistance:
    """Kernel distance over blocks: mean, and standard deviation between blocks (NaN for a single block)."""

    mean: float
    deviation: float


def frechet_distance(mean1: ArrayLike, covariance1: ArrayLike, mean2: ArrayLike, covariance2: ArrayLike) -> float:
    """Fréchet distance of two Gaussians (Dowson & Landau 1982; Heusel et al. 2017, equation 6): "FID".

    |m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½); the trace of the root is read from the eigenvalues of the symmetric
    C1^½ C2 C1^½, which has the eigenvalues of C1 C2.

    Args:
        mean1: (D,).
        covariance1: (D, D), symmetric, positive semi-definite.
        mean2: (D,).
        covariance2: (D, D).

    Returns:
        The squared distance, 0 or more.
    """
    m1, c1, m2, c2 = (np.asarray(a, np.float64) for a in (mean1, covariance1, mean2, covariance2))
    values, vectors = np.linalg.eigh((c1 + c1.T) / 2)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    product = root @ c2 @ root
    eigenvalues = np.linalg.eigvalsh((product + product.T) / 2)
    trace_of_root = np.sqrt(np.maximum(eigenvalues, 0)).sum()
    distance = ((m1 - m2) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * trace_of_root
    return max(0.0, float(distance))


def kernel_distance(
    first: Features, second: Features, *, blocks: int = 50, block_size: int = 1000, seed: int = 0
) -> KernelDistance:
    """Unbiased squared maximum mean discrepancy, kernel (x·y / D + 1)³: KID (Bińkowski et al. 2018, section 4).

    Args:
        first: (N, D).
        second: (M, D).
        blocks: how many random subsets are averaged.
        block_size: vectors of each side in a subset, drawn without replacement; at most half of the smaller set, so
            that the subsets differ.
        seed: of the subsets.

    Returns:
        About 0, possibly a little below, for two samples of one distribution.

    Raises:
        InputError: a side has fewer than four vectors, lengths differ, or values are not finite.
    """
    x, y = _checked_pair(first, second, least=4)
    size = min(block_size, min(len(x), len(y)) // 2)
    random = np.random.default_rng(seed)
    found = np.array(
        [_mmd2(x[random.permutation(len(x))[:size]], y[random.permutation(len(y))[:size]]) for _ in range(blocks)]
    )
    return KernelDistance(float(found.mean()), float(found.std(ddof=1)) if blocks > 1 else float("nan"))


def _mmd2(x: Float, y: Float) -> float:
    """Unbiased MMD² of two equally large samples (Gretton et al. 2012, equation 3)."""
    n, d = x.shape
    within = 0.0
    for side in (x, y):
        kernel = (side @ side.T / d + 1) ** 3
        within += float(kernel.sum() - np.trace(kernel)) / (n * (n - 1))
    return within - 2 * float(((x @ y.T / d + 1) ** 3).mean())


def precision_recall(real: Features, generated: Features, *, k: int = 3) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al. 2019, equations 1 and 2).

    Precision: share of generated vectors within some real vector's ball, which reaches to its k-th neighbour among the
    real. Recall: the same with the roles exchanged.

    Args:
        real: (N, D), N > k.
        generated: (M, D), M > k.
        k: neighbours.

    Returns:
        (precision, recall), both in [0, 1].

    Raises:
        InputError: a side has k vectors or fewer, lengths differ, or values are not finite.
    """
    x, y = _checked_pair(real, generated, least=k + 1)
    return _share_covered(y, x, kth_distance(x, k)), _share_covered(x, y, kth_distance(y, k))


def density_coverage(real: Features, generated: Features, *, k: int = 5) -> tuple[float, float]:
    """Density and coverage (Naeem et al. 2020, equations 5 and 6).

    Density: in how many real vectors' balls a generated vector lies, over k; about 1 for samples of one distribution,
    and more where generated vectors crowd. Coverage: share of real vectors with a generated one within their ball.

    Args:
        real: (N, D), N > k.
        generated: (M, D), M >= 1.
        k: neighbours.

    Returns:
        (density, coverage); coverage is in [0, 1].

    Raises:
        InputError: too few vectors, lengths differ, or values are not finite.
    """
    x, y = _checked_pair(real, generated, least=1)
    _at_least("real features", x, k + 1)
    radius = kth_distance(x, k)
    inside, covered = 0, 0
    for start, distances in _distance_rows(x, y):
        within = distances <= radius[start : start + len(distances), None]
        inside += int(within.sum())
        covered += int(within.any(1).sum())
    return inside / (k * len(y)), covered / len(x)


def kth_distance(values: Features, k: int) -> Float:
    """Distance of each vector to its k-th nearest other one: (N, D) -> (N,)."""
    x = _checked("features", values)
    found = np.empty(len(x))
    for start, distances in _distance_rows(x, x):
        rows = np.arange(len(distances))
        distances[rows, start + rows] = np.inf
        found[start : start + len(rows)] = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return found


def nearest(queries: Features, references: Features) -> tuple[Float, NDArray[np.intp]]:
    """Euclidean distance to, and index of, the nearest reference of each query.

    Args:
        queries: (N, D).
        references: (M, D), M >= 1.

    Returns:
        (N,) distances, (N,) indices into `references`.
    """
    x, y = _checked_pair(queries, references, least=1)
    index = np.concatenate([distances.argmin(1) for _, distances in _distance_rows(x, y)])
    # Taken anew from the difference, which is exactly 0 for a copy; the matrix is only good to about 1e-8 there.
    return np.linalg.norm(x - y[index], axis=1), index


def _share_covered(points: Float, centres: Float, radius: Float) -> float:
    inside = sum(int((distances <= radius).any(1).sum()) for _, distances in _distance_rows(points, centres))
    return inside / len(points)


def _distance_rows(x: Float, y: Float) -> Iterator[tuple[int, Float]]:
    """Blocks of rows of the distance matrix; centring first keeps |x|² - 2xy + |y|² from cancelling."""
    centre = y.mean(0)
    x, y = x - centre, y - centre
    squares = (y**2).sum(1)
    for start in range(0, len(x), _ROWS):
        rows = x[start : start + _ROWS]
        squared = (rows**2).sum(1)[:, None] + squares - 2 * rows @ y.T
        yield start, np.sqrt(np.maximum(squared, 0))


def psnr(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in decibels over all channels, peak 255.

    Args:
        first: (H, W) or (H, W, C) bytes.
        second: the same shape.

    Returns:
        Infinity for equal pictures.

    Raises:
        InputError: the shapes differ.
    """
    _same_shape(first, second)
    error = float(((first.astype(np.float64) - second.astype(np.float64)) ** 2).mean())
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(first: NDArray[np.uint8], second: NDArray[np.uint8], *, per_channel: bool = False) -> float:
    """Structural similarity (Wang et al. 2004): 11x11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, no padding.

    Args:
        first: (H, W) or (H, W, 3) bytes, both sides 11 pixels or more.
        second: the same shape.
        per_channel: average over R, G and B instead of comparing the luma.

    Returns:
        Mean over the picture, 1 for equal pictures.

    Raises:
        InputError: shapes differ or a side is too short.
    """
    _same_shape(first, second)
    if min(first.shape[:2]) < 11:
        raise InputError("picture", f"{first.shape[1]}x{first.shape[0]} pixels", "sides of 11 pixels or more for SSIM")
    x, y = first.astype(np.float64), second.astype(np.float64)
    if x.ndim == 2:
        x, y = x[..., None], y[..., None]
    elif not per_channel:
        x, y = (x @ _LUMA)[..., None], (y @ _LUMA)[..., None]
    mean_x, mean_y = _window(x), _window(y)
    variance_x, variance_y = _window(x * x) - mean_x**2, _window(y * y) - mean_y**2
    covariance = _window(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similar = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((similar / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))).mean())


def _window(x: Float) -> Float:
    """Gaussian mean over 11x11 windows that lie inside: (H, W, C) -> (H - 10, W - 10, C)."""
    weights = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights /= weights.sum()
    down = np.asarray(sum(w * x[i : i + len(x) - 10] for i, w in enumerate(weights)))
    across = sum(w * down[:, i : i + x.shape[1] - 10] for i, w in enumerate(weights))
    return np.asarray(across, np.float64)


def _same_shape(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> None:
    if first.shape != second.shape:
        raise InputError("pictures", f"shapes {first.shape} and {second.shape}", "two pictures of one shape")


def _checked(where: str, values: Features) -> Float:
    array = np.asarray(values, np.float64)
    if array.ndim != 2:
        raise InputError(where, f"shape {array.shape}", "(N, D)")
    if not np.isfinite(array).all():
        raise InputError(where, "values that are not finite", "finite numbers")
    return array


def _checked_pair(first: Features, second: Features, least: int) -> tuple[Float, Float]:
    x, y = _checked("first features", first), _checked("second features", second)
    if x.shape[1] != y.shape[1]:
        raise InputError("features", f"lengths {x.shape[1]} and {y.shape[1]}", "vectors of one length")
    _at_least("first features", x, least)
    _at_least("second features", y, least)
    return x, y


def _at_least(where: str, values: Float, least: int) -> None:
    if len(values) < least:
        raise InputError(where, f"{len(values)} vectors", f"{least} or more")
