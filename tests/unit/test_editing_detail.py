"""Detail: sharper without haloes, calmer without less picture, and nothing at nought."""

from __future__ import annotations

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="needs OpenCV: pip install 'packshot[edit]'")

from packshot.editing.detail import OVERSHOOT, denoise, noise_of, sharpen  # noqa: E402
from packshot.editing.scene import Scene  # noqa: E402
from packshot.errors import RequestError  # noqa: E402


def edge(blur: float = 1.5) -> np.ndarray:
    rgb = np.full((60, 80, 3), (60, 90, 70), np.uint8)
    rgb[:, 40:] = (180, 150, 200)
    return cv2.GaussianBlur(rgb, (0, 0), blur)


def grainy(sigma: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A photo of soft steps and the same with noise."""
    clean = np.full((160, 200, 3), 120, np.uint8)
    clean[30:120, 40:90] = (60, 160, 90)
    clean[60:150, 110:180] = (190, 70, 60)
    clean = cv2.GaussianBlur(clean, (0, 0), 1)
    noisy = clean + np.random.default_rng(seed).normal(0, sigma, clean.shape)
    return clean, np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def error(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.sqrt(np.mean((first.astype(np.float32) - second) ** 2)))


def test_nought_changes_nothing() -> None:
    scene = Scene(edge())
    assert sharpen(scene, 0) is scene and denoise(scene, 0) is scene
    flat = Scene(np.full((50, 50, 3), 80, np.uint8))
    assert (sharpen(flat, 2).product == 80).all() and (denoise(flat).product == 80).all()


def test_sharpening_makes_an_edge_steeper_without_a_halo() -> None:
    photo = edge()
    sharp = sharpen(Scene(photo), 2.0).product
    before, after = photo[30].astype(int), sharp[30].astype(int)
    assert np.abs(np.diff(after[:, 1])).max() > 1.2 * np.abs(np.diff(before[:, 1])).max()
    room = np.ceil(OVERSHOOT * (before.max(0) - before.min(0))) + 1
    assert (after.min(0) >= before.min(0) - room).all() and (after.max(0) <= before.max(0) + room).all()


def test_sharpening_leaves_hues_alone() -> None:
    photo = edge()
    difference = sharpen(Scene(photo), 1.0).product.astype(int) - photo
    assert np.abs(difference).max() > 2
    assert (difference.max(-1) - difference.min(-1)).max() <= 1


def test_noise_is_measured_and_taken_away() -> None:
    for sigma in (4.0, 12.0):
        clean, noisy = grainy(sigma)
        lightness = sigma * np.sqrt(0.299**2 + 0.587**2 + 0.114**2)
        assert noise_of(noisy) == pytest.approx(lightness, rel=0.15)
        assert error(denoise(Scene(noisy)).product, clean) < 0.5 * error(noisy, clean)
    assert noise_of(clean) < 0.5


def test_a_clean_photo_stays_as_it_is() -> None:
    clean, _ = grainy(0)
    assert np.abs(denoise(Scene(clean)).product.astype(int) - clean).max() <= 12
    assert error(denoise(Scene(clean)).product, clean) < 0.7


def test_strips_meet_without_a_seam() -> None:
    photo = np.tile(grainy(6)[1], (4, 1, 1))
    whole, part = denoise(Scene(photo)).product, denoise(Scene(photo[:600])).product
    assert np.abs(whole[:500].astype(int) - part[:500]).max() <= 2
    np.testing.assert_array_equal(sharpen(Scene(photo)).product[:540], sharpen(Scene(photo[:600])).product[:540])


@pytest.mark.parametrize("operation", [sharpen, denoise])
def test_only_the_product_changes_and_nothing_hidden_gets_into_it(operation) -> None:
    _, noisy = grainy(8)
    alpha = np.zeros(noisy.shape[:2], np.uint8)
    alpha[30:130, 40:160] = 255
    green, black = noisy.copy(), noisy.copy()
    green[alpha == 0], black[alpha == 0] = (0, 255, 0), 0
    first, second = operation(Scene(green, alpha)).product, operation(Scene(black, alpha)).product
    assert np.abs(first[alpha > 0].astype(int) - second[alpha > 0]).max() <= 1  # a strip's range is a filter's grid
    np.testing.assert_array_equal(first[alpha == 0], green[alpha == 0])
    assert (first[alpha > 0] != green[alpha > 0]).any()


@pytest.mark.parametrize(
    ("call", "where"),
    [
        (lambda s: sharpen(s, -1), "sharpen.amount"),
        (lambda s: sharpen(s, 1, radius=50), "sharpen.radius"),
        (lambda s: denoise(s, 9), "denoise.strength"),
    ],
)
def test_mistakes_are_named(call, where: str) -> None:
    with pytest.raises(RequestError) as caught:
        call(Scene(edge()))
    assert caught.value.where == where
