"""Cutting out: outlines sharper than the network's own, holes kept, colours without the background's, pixels copied."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")

from packshot.editing import cutout as module  # noqa: E402
from packshot.editing.cutout import cutout  # noqa: E402
from packshot.editing.scene import SOLID, Scene, flatten  # noqa: E402
from packshot.errors import MissingExtraError, PackError, RequestError  # noqa: E402

SIDE, COARSE = 400, 64
RED, GREEN = np.array((200, 30, 40)), np.array((40, 140, 60))


def ring(side: int = SIDE) -> np.ndarray:
    """Exact coverage of a ring with a hole, anti-aliased."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    radius = np.hypot(x, y)
    return (np.minimum(0.35 - radius, radius - 0.12) * side + 0.5).clip(0, 1).astype(np.float32)


def photo_of(cover: np.ndarray, product: np.ndarray = RED, behind: np.ndarray = GREEN) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 2, (*cover.shape, 3))
    mixed = product * cover[..., None] + behind * (1 - cover[..., None])
    return np.clip(np.rint(mixed + noise), 0, 255).astype(np.uint8)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch):
    """A network that sees the ring as through frosted glass."""

    def coverage(photo: np.ndarray, pack: object) -> np.ndarray:
        return cv2.blur(cv2.resize(ring(), (COARSE, COARSE), interpolation=cv2.INTER_AREA), (3, 3))

    monkeypatch.setattr(module, "network_coverage", coverage)
    monkeypatch.setattr(module, "network", lambda name: None)
    return coverage


def test_outlines_follow_the_photo_not_the_network(network) -> None:
    cover = ring()
    photo = photo_of(cover)
    scene = cutout(Scene(photo))
    found = scene.alpha / 255
    rough = cv2.resize(network(photo, None), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    error, before = np.abs(found - cover).mean(), np.abs(rough - cover).mean()
    assert error < 0.004 and error < before / 5
    assert scene.alpha[SIDE // 2, SIDE // 2] == 0  # the hole
    solid = scene.alpha >= SOLID
    assert solid.sum() > 0.9 * (cover == 1).sum() and np.array_equal(scene.product[solid], photo[solid])


def test_no_fringe_of_the_old_background_is_left(network) -> None:
    cover = ring()
    scene = cutout(Scene(photo_of(cover)))
    rim = (scene.alpha > 100) & (scene.alpha < 200)
    assert rim.sum() > 200
    fringe = np.abs(scene.product[rim].astype(float) - RED).mean()
    assert fringe < 0.25 * np.abs(photo_of(cover)[rim].astype(float) - RED).mean()


def test_where_colours_cannot_tell_the_network_decides(network) -> None:
    photo = photo_of(ring(), product=np.array((238, 238, 238)), behind=np.array((245, 245, 245)))
    found = cutout(Scene(photo)).alpha / 255
    both = ((found > 0.5) & (ring() > 0.5)).sum() / ((found > 0.5) | (ring() > 0.5)).sum()
    assert both > 0.9


def test_large_photos_are_cut_at_their_own_size(network) -> None:
    cover = ring(1300)
    scene = cutout(Scene(photo_of(cover)))
    assert scene.alpha.shape == (1300, 1300)
    assert np.abs(scene.alpha / 255 - cover).mean() < 0.004


def test_crumbs_are_dropped_and_pairs_stay(network, monkeypatch: pytest.MonkeyPatch) -> None:
    cover = np.zeros((SIDE, SIDE), np.float32)
    cover[40:160, 40:360], cover[240:360, 40:360], cover[195:203, 300:308] = 1, 1, 1
    small = cv2.resize(cover, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    monkeypatch.setattr(module, "network_coverage", lambda photo, pack: small)
    alpha = cutout(Scene(photo_of(cover))).alpha
    assert alpha[100, 200] == 255 and alpha[300, 200] == 255 and alpha[192:206, 297:311].max() == 0


def test_what_is_cut_already_stays_and_emptiness_is_refused(network, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(photo_of(ring()), alpha=np.full((SIDE, SIDE), 9, np.uint8))
    assert cutout(scene) is scene
    monkeypatch.setattr(module, "network_coverage", lambda photo, pack: np.zeros((COARSE, COARSE), np.float32))
    with pytest.raises(RequestError, match="no product was found"):
        cutout(Scene(photo_of(ring())))


def test_models_of_rembg_are_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    from packshot.editing import foreign

    class Session:
        def predict(self, photo: Image.Image) -> list[Image.Image]:
            mask = cv2.blur((ring(photo.width) * 255).astype(np.uint8), (9, 9))
            return [Image.fromarray(mask)]

    def new_session(name: str) -> Session:
        if name != "isnet-general-use":
            raise ValueError("No session class found for model 'nonsense'")
        return Session()

    foreign._session.cache_clear()
    monkeypatch.setitem(sys.modules, "rembg", SimpleNamespace(new_session=new_session))
    scene = cutout(Scene(photo_of(ring())), pack="rembg:isnet-general-use")
    assert np.abs(scene.alpha / 255 - ring()).mean() < 0.005
    with pytest.raises(RequestError, match=r"cutout\.pack: got 'rembg:nonsense' \(No session"):
        cutout(Scene(photo_of(ring())), pack="rembg:nonsense")
    foreign._session.cache_clear()
    monkeypatch.setitem(sys.modules, "rembg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rembg\[cpu\]'"):
        cutout(Scene(photo_of(ring())), pack="rembg:isnet-general-use")


def test_another_pack_is_refused() -> None:
    with pytest.raises(PackError, match="a pack of kind 'flow'"):
        cutout(Scene(photo_of(ring())), pack="base")


def test_flattening_shows_solid_pixels_and_mixes_the_rest() -> None:
    product = np.full((2, 2, 3), 100, np.uint8)
    alpha = np.array([[255, 0], [51, 255]], np.uint8)
    white = np.full((2, 2, 3), 255, np.uint8)
    seen = flatten(Scene(product, alpha, white))
    assert seen.tolist() == [[[100] * 3, [255] * 3], [[224] * 3, [100] * 3]]
    shaded = flatten(Scene(product, alpha, white, shade=np.full((2, 2), 128, np.uint8)))
    assert shaded[0, 1].tolist() == [128] * 3 and shaded[0, 0].tolist() == [100] * 3
    clear = flatten(Scene(product, alpha, shade=np.full((2, 2), 128, np.uint8)))
    assert clear[0, 1].tolist() == [0, 0, 0, 127] and clear[0, 0].tolist() == [100, 100, 100, 255]
    badge = np.zeros((2, 2, 4), np.uint8)
    badge[0, 0] = (9, 8, 7, 255)
    assert flatten(Scene(product, alpha, white, overlay=badge))[0, 0].tolist() == [9, 8, 7]
    assert flatten(Scene(product, alpha, overlay=badge))[0, 0].tolist() == [9, 8, 7, 255]
    with pytest.raises(ValueError, match="alpha is"):
        Scene(product, alpha=np.zeros((3, 2), np.uint8))
