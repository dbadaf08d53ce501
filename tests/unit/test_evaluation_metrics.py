"""Properties of the measures: what must hold whatever the numbers are."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from packshot.errors import InputError
from packshot.evaluation.metrics import (
    FeatureStatistics,
    density_coverage,
    frechet_distance,
    kernel_distance,
    kth_distance,
    nearest,
    precision_recall,
    psnr,
    ssim,
)
from packshot.evaluation.neighbours import find_neighbours
from packshot.evaluation.pairs import evaluate_pairs


def normal(seed: int, count: int, length: int = 6, shift: float = 0.0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((count, length)) + shift


def fid(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    a, b = FeatureStatistics.of([first]), FeatureStatistics.of([second])
    return frechet_distance(a.mean, a.covariance, b.mean, b.covariance)


def picture(seed: int, side: int = 24) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


# ---- Statistics ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(100,), (1, 99), (37, 0, 21, 42)])
def test_statistics_do_not_depend_on_the_batches(sizes: tuple[int, ...]) -> None:
    values = normal(0, 100) * 3 + 1000  # far from 0, where the sum of squares would lose digits
    statistics = FeatureStatistics.of(np.split(values, np.cumsum(sizes)[:-1]))
    assert statistics.count == 100
    np.testing.assert_allclose(statistics.mean, values.mean(0), rtol=1e-12)
    np.testing.assert_allclose(statistics.covariance, np.cov(values.T), rtol=1e-9)


def test_statistics_refuse_what_they_cannot_add() -> None:
    statistics = FeatureStatistics.of([normal(0, 3)])
    with pytest.raises(InputError, match="length 5"):
        statistics.add(normal(0, 3, 5))
    with pytest.raises(InputError, match="not finite"):
        statistics.add(np.full((1, 6), np.nan))
    with pytest.raises(InputError, match="two or more"):
        _ = FeatureStatistics.of([normal(0, 1)]).covariance


# ---- Fréchet distance ------------------------------------------------------------------------------------------------


def test_fid_of_a_set_to_itself_is_zero_even_with_fewer_vectors_than_dimensions() -> None:
    for values in (normal(0, 200), normal(1, 10, 40)):
        assert fid(values, values) == pytest.approx(0, abs=1e-6)


def test_fid_is_symmetric() -> None:
    first, second = normal(0, 50) @ normal(1, 6), normal(2, 60, shift=1)
    assert fid(first, second) == pytest.approx(fid(second, first), rel=1e-9)
    assert fid(first, second) > 0


def test_fid_of_known_gaussians() -> None:
    """For commuting covariances the distance is |m1 - m2|² + Σ (√λ1 - √λ2)²."""
    rotation = np.linalg.qr(normal(3, 4, 4))[0]
    one, two = np.array([4.0, 1.0, 0.0, 9.0]), np.array([1.0, 1.0, 16.0, 0.0])
    shift = np.array([1.0, 2.0, 0.0, -2.0])
    distance = frechet_distance(np.zeros(4), rotation * one @ rotation.T, rotation @ shift, rotation * two @ rotation.T)
    assert distance == pytest.approx(9 + 1 + 0 + 16 + 9, rel=1e-6)


def test_fid_of_gaussians_that_do_not_commute() -> None:
    """In two dimensions tr √M = √(tr M + 2 √det M), for M = C1 C2."""
    c1, c2 = np.array([[2.0, 0.6], [0.6, 1.0]]), np.array([[1.0, -0.5], [-0.5, 3.0]])
    product = c1 @ c2
    root = math.sqrt(np.trace(product) + 2 * math.sqrt(np.linalg.det(product)))
    expected = np.trace(c1) + np.trace(c2) - 2 * root
    assert frechet_distance(np.zeros(2), c1, np.zeros(2), c2) == pytest.approx(expected, rel=1e-9)


# ---- Kernel distance -------------------------------------------------------------------------------------------------


def test_kid_of_one_distribution_is_near_zero_and_grows_with_the_distance() -> None:
    same = kernel_distance(normal(0, 600), normal(1, 600))
    near = kernel_distance(normal(0, 600), normal(1, 600, shift=0.5))
    far = kernel_distance(normal(0, 600), normal(1, 600, shift=1.0))
    assert abs(same.mean) < 0.05 < near.mean < far.mean


def test_kid_is_unbiased() -> None:
    """The mean over many pairs of small samples is 0 within its own error; a biased estimate would lie far above."""
    found = [kernel_distance(normal(2 * k, 40), normal(2 * k + 1, 40), blocks=1).mean for k in range(300)]
    assert abs(np.mean(found)) < 3 * np.std(found) / math.sqrt(len(found))
    assert min(found) < 0


def test_kid_repeats_with_its_seed() -> None:
    first, second = normal(0, 80), normal(1, 80)
    assert kernel_distance(first, second, seed=4) == kernel_distance(first, second, seed=4)
    assert kernel_distance(first, second, seed=4) != kernel_distance(first, second, seed=5)


# ---- Precision, recall, density, coverage ----------------------------------------------------------------------------


def test_a_set_against_itself() -> None:
    values = normal(0, 700)  # more than one block of rows
    assert precision_recall(values, values) == (1, 1)
    density, coverage = density_coverage(values, values)
    assert coverage == 1
    assert density == pytest.approx(1 + 1 / 5)  # each ball holds its five neighbours and its own centre


def test_disjoint_sets_share_nothing() -> None:
    real, generated = normal(0, 100), normal(1, 100, shift=100)
    assert precision_recall(real, generated) == (0, 0)
    assert density_coverage(real, generated) == (0, 0)


def test_a_generator_that_knows_one_of_two_kinds() -> None:
    """All it makes is right, but half of the world is missing."""
    real = np.concatenate([normal(0, 200), normal(1, 200, shift=50)])
    precision, recall = precision_recall(real, normal(2, 200))
    density, coverage = density_coverage(real, normal(2, 200))
    assert precision > 0.8
    assert recall < 0.5
    assert coverage <= 0.5 < density


def test_an_outlier_does_not_inflate_density() -> None:
    """The point of Naeem et al.: a far real outlier makes far fakes precise, yet hardly dense."""
    real = np.concatenate([normal(0, 200), np.full((1, 6), 30.0)])
    fakes = normal(1, 100, shift=15)
    assert precision_recall(real, fakes)[0] == 1
    assert density_coverage(real, fakes)[0] == pytest.approx(1 / 5)


def test_distances_are_those_of_the_definition() -> None:
    x, y = normal(0, 30), normal(1, 20)
    matrix = np.linalg.norm(x[:, None] - y[None], axis=-1)
    distance, index = nearest(x, y)
    np.testing.assert_allclose(distance, matrix.min(1))
    assert (index == matrix.argmin(1)).all()
    own = np.sort(np.linalg.norm(x[:, None] - x[None], axis=-1), axis=1)
    np.testing.assert_allclose(kth_distance(x, 4), own[:, 4])


def test_too_few_vectors_are_the_users_mistake() -> None:
    with pytest.raises(InputError, match="4 or more"):
        precision_recall(normal(0, 3), normal(1, 10))
    with pytest.raises(InputError, match="6 or more"):
        density_coverage(normal(0, 5), normal(1, 10))
    with pytest.raises(InputError, match="one length"):
        nearest(normal(0, 9, 3), normal(1, 9, 4))


# ---- Copying ---------------------------------------------------------------------------------------------------------


def test_copies_are_noticed_and_named() -> None:
    train, held_out = normal(0, 400), normal(1, 200)
    honest = find_neighbours(normal(2, 200), train, held_out)
    copied = find_neighbours(train[50:150] + 1e-6, train, held_out)
    assert honest.share_nearer < 0.06
    assert copied.share_nearer == 1
    generated, training, distance = copied.closest(1)[0]
    assert training == generated + 50
    assert distance < 1e-4


# ---- Pairs -----------------------------------------------------------------------------------------------------------


def test_psnr_of_a_known_error() -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    assert psnr(grey, grey) == math.inf
    assert psnr(grey, grey + 5) == pytest.approx(20 * math.log10(255 / 5))
    with pytest.raises(InputError, match="one shape"):
        psnr(grey, grey[1:])


def test_ssim_of_equal_pictures_is_one_and_noise_lowers_it() -> None:
    clean = picture(0)
    little = np.clip(clean + np.random.default_rng(1).normal(0, 10, clean.shape), 0, 255).astype(np.uint8)
    assert ssim(clean, clean) == pytest.approx(1)
    assert ssim(clean, clean, per_channel=True) == pytest.approx(1)
    assert abs(ssim(clean, picture(2))) < 0.2 < ssim(clean, little) < 1
    assert ssim(clean, little) == pytest.approx(ssim(little, clean))
    with pytest.raises(InputError, match="11 pixels"):
        ssim(clean[:10], clean[:10])


def ssim_by_definition(x: NDArray[np.uint8], y: NDArray[np.uint8]) -> float:
    """Wang et al. 2004, equations 13 to 17, window by window."""
    offsets = np.arange(11) - 5
    weights = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    values = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a, b = (p[top : top + 11, left : left + 11].astype(float) for p in (x, y))
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            var_a, var_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
            both = (weights * (a - mean_a) * (b - mean_b)).sum()
            light = (2 * mean_a * mean_b + 6.5025) / (mean_a**2 + mean_b**2 + 6.5025)
            values.append(light * (2 * both + 58.5225) / (var_a + var_b + 58.5225))
    return float(np.mean(values))


def test_ssim_is_that_of_the_definition() -> None:
    x, other = picture(0)[..., 0], picture(1)[..., 0]
    y = (0.7 * x + 0.3 * other).astype(np.uint8)
    assert ssim(x, y) == pytest.approx(ssim_by_definition(x, y), rel=1e-9)


def test_folders_of_pairs(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    Image.fromarray(picture(0)).save(first / "same.png")
    Image.fromarray(picture(0)).save(second / "same.webp", lossless=True)
    Image.fromarray(picture(1)).save(first / "other.png")
    Image.fromarray(picture(1) // 2).save(second / "other.png")
    Image.fromarray(picture(2)).save(first / "alone.png")
    report = evaluate_pairs(first, second)
    assert [pair.name for pair in report.pairs] == ["other", "same"]
    assert report.only_first == ("alone",)
    assert report.equal == 1
    assert report.psnr_mean_db == psnr(picture(1), picture(1) // 2)
    assert report.as_dict()["pairs"][1]["psnr_db"] is None  # JSON has no infinity
    assert report.table().row_count == 3


def test_pairs_that_do_not_fit(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    with pytest.raises(InputError, match="no folder"):
        evaluate_pairs(first, second)
    second.mkdir()
    with pytest.raises(InputError, match="no picture named"):
        evaluate_pairs(first, second)
    Image.fromarray(picture(0)).save(first / "a.png")
    Image.fromarray(picture(0, 32)).save(second / "a.png")
    with pytest.raises(InputError, match="32x32"):
        evaluate_pairs(first, second)
    (second / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    with pytest.raises(InputError, match=r"a\.png"):
        evaluate_pairs(first, second)
