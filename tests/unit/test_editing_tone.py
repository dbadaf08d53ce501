"""White balance and exposure: what is grey becomes grey, what is coloured stays coloured, whites do not clip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from packshot.colour import linear_from_srgb, oklab_from_srgb, srgb_from_linear
from packshot.editing.scene import Bytes, Scene
from packshot.editing.tone import exposure, white_balance
from packshot.errors import RequestError

CAST = np.array([1.18, 1.0, 0.78], np.float32)


def _room(seed: int = 0) -> Bytes:
    """Greys of all kinds, and a quarter of colours."""
    rng = np.random.default_rng(seed)
    grey = rng.uniform(0.08, 0.75, (64, 64, 1)).astype(np.float32)
    colours = rng.uniform(0.05, 0.6, (64, 64, 3)).astype(np.float32)
    picked = rng.random((64, 64, 1)) < 0.25
    return srgb_from_linear(np.where(picked, colours, np.repeat(grey, 3, axis=2)))


def _under(light: np.ndarray, picture: Bytes) -> Bytes:
    return srgb_from_linear(linear_from_srgb(picture) * light)


def _cast_of(picture: Bytes, seed: int = 0) -> float:
    """Mean chroma of what is grey in the room."""
    grey = np.ptp(_room(seed).astype(int), axis=-1) <= 1
    lab = oklab_from_srgb(picture)[grey]
    return float(np.hypot(*lab[:, 1:].mean(axis=0)))


def test_a_cast_is_found_and_taken_off() -> None:
    cast = _under(CAST, _room())
    assert _cast_of(cast) > 0.025
    assert _cast_of(white_balance(Scene(cast)).product) < 0.008


def test_a_neutral_photo_hardly_changes() -> None:
    room = _room()
    assert _cast_of(white_balance(Scene(room)).product) < 0.006


@pytest.mark.parametrize("colour", [(180, 30, 40), (30, 60, 160), (30, 120, 60)])
def test_a_coloured_product_stays_coloured(colour: tuple[int, int, int]) -> None:
    light = np.random.default_rng(0).uniform(0.7, 1.3, (40, 40, 1))
    product = np.clip(np.array(colour) * light, 0, 255).astype(np.uint8)
    alpha = np.full((40, 40), 255, np.uint8)
    before, after = (
        oklab_from_srgb(p).reshape(-1, 3).mean(axis=0) for p in (product, white_balance(Scene(product, alpha)).product)
    )
    assert float(np.linalg.norm(after - before)) < 0.02


@pytest.mark.parametrize("to", ["5,7", "0.1,0.2", "#d0bfa0"])
def test_what_the_user_calls_grey_becomes_grey(to: str) -> None:
    picture = np.full((40, 60, 3), (90, 60, 30), np.uint8)
    picture[:20, :20] = (208, 191, 160)
    result = white_balance(Scene(picture), to).product[5, 5].astype(int)
    assert np.ptp(result) <= 2
    assert abs(float(linear_from_srgb(result.astype(np.uint8)) @ (0.2126, 0.7152, 0.0722)) - 0.53) < 0.03


def test_warm_light_makes_blue_and_cold_light_orange() -> None:
    grey = Scene(np.full((8, 8, 3), 128, np.uint8))
    warm, same, cold = (white_balance(grey, to).product[0, 0].astype(int) for to in ("3200K", "6504K", "9000 K"))
    assert warm[2] > warm[0] + 30
    assert cold[0] > cold[2] + 10
    assert np.ptp(same) == 0


def test_burnt_out_pixels_stay_white() -> None:
    picture = np.full((8, 8, 3), 255, np.uint8)
    assert (white_balance(Scene(picture), "3200K").product == 255).all()


@pytest.mark.parametrize("operation", [white_balance, exposure])
def test_only_the_product_layer_changes(operation: object) -> None:
    room = _under(CAST * 0.4, _room())
    full = np.full(room.shape[:2], 255, np.uint8)
    scene = Scene(room, full, np.full_like(room, 9), full, np.zeros((64, 64, 4), np.uint8))
    result = operation(scene)  # type: ignore[operator]
    assert not np.array_equal(result.product, room)
    assert replace(result, product=room) == scene or all(
        getattr(result, name) is getattr(scene, name) for name in ("alpha", "backdrop", "shade", "overlay", "placement")
    )


def test_no_stops_change_nothing() -> None:
    scene = Scene(_room())
    assert exposure(scene, "0") is scene


def test_a_stop_doubles_the_light_below_the_shoulder() -> None:
    picture = np.full((4, 4, 3), 90, np.uint8)
    result = exposure(Scene(picture), "1").product
    assert abs(linear_from_srgb(result).mean() / linear_from_srgb(picture).mean() - 2) < 0.03
    assert (
        abs(linear_from_srgb(exposure(Scene(picture), "-1").product).mean() * 2 / linear_from_srgb(picture).mean() - 1)
        < 0.05
    )


def test_highlights_are_rolled_off_in_order() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    result = exposure(Scene(ramp), "1.5").product[0, :, 0].astype(int)
    assert (np.diff(result) >= 0).all()
    assert result[255] == 255
    assert result[200] < 255
    assert np.unique(result[160:]).size > 20


def test_automatic_exposure_brightens_the_dark_and_leaves_the_good() -> None:
    dark = srgb_from_linear(linear_from_srgb(_room()) * 0.1)
    lit = exposure(Scene(dark)).product
    assert lit.mean() > dark.mean() + 20
    twice = exposure(Scene(lit)).product
    assert abs(twice.mean() - lit.mean()) < lit.mean() - dark.mean()


@pytest.mark.parametrize("to", ["banana", "500K", "99,99", "", "#000", "#ffffff"])
def test_white_balance_refuses(to: str) -> None:
    with pytest.raises(RequestError, match=r"white_balance\.to: got"):
        white_balance(Scene(np.full((8, 8, 3), 128, np.uint8)), to)


def test_a_burnt_out_place_is_refused() -> None:
    with pytest.raises(RequestError, match="burnt out"):
        white_balance(Scene(np.full((8, 8, 3), 255, np.uint8)), "3,3")


@pytest.mark.parametrize("stops", ["much", "6", "nan", "-5.1", ""])
def test_exposure_refuses(stops: str) -> None:
    with pytest.raises(RequestError, match=r"exposure\.stops: got"):
        exposure(Scene(np.full((8, 8, 3), 128, np.uint8)), stops)


def test_everything_black_or_transparent_is_left() -> None:
    black = Scene(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8))
    assert white_balance(black) is black
    assert exposure(black) is black
