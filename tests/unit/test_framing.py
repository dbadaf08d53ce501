"""Framing: the product is found where it is, and framed the same wherever it was."""

from __future__ import annotations

import numpy as np
import pytest

from packshot.framing import PRODUCT_SHARE, clear_crumbs, clear_haze, find_product, square_on_white, whiten


def scene(
    height: int, width: int, box: tuple[int, int, int, int], colour: int = 90, background: int = 255
) -> np.ndarray:
    rgb = np.full((height, width, 3), background, np.uint8)
    left, top, right, bottom = box
    rgb[top:bottom, left:right] = (colour, 40, 40)
    return rgb


@pytest.mark.parametrize("background", [255, 248, 200])
def test_a_product_is_found_where_it_is(background: int) -> None:
    finding = find_product(scene(80, 60, (10, 20, 50, 70), background=background))
    assert finding is not None
    assert np.abs(np.array(finding.box) - (10, 20, 50, 70)).max() <= 1
    assert finding.roughness < 1e-3


def test_white_inside_a_product_belongs_to_it_and_a_background_of_its_own_does_not() -> None:
    rgb = scene(80, 60, (10, 20, 50, 70))
    rgb[35:45, 20:40] = 255
    closed = find_product(rgb)
    rgb[35:45, 20:] = 255  # now the hole is open to the border
    open_ = find_product(rgb)
    assert closed is not None and closed.mask[40, 30]
    assert open_ is not None and not open_.mask[40, 30]


def test_nothing_is_found_on_an_empty_picture_or_in_dust() -> None:
    empty = np.full((40, 40, 3), 255, np.uint8)
    assert find_product(empty) is None
    empty[10, 10] = empty[20, 30] = 0
    assert find_product(empty) is None


@pytest.mark.parametrize("box", [(10, 20, 50, 70), (0, 0, 60, 12), (30, 5, 40, 79)])
def test_the_framed_product_is_centred_at_its_share_of_the_frame(box: tuple[int, int, int, int]) -> None:
    framed = square_on_white(scene(80, 60, box), box, 64, 4.0)
    assert framed.shape == (64, 64, 3)
    ys, xs = np.nonzero(framed.min(-1) < 128)
    longest = max(np.ptp(xs), np.ptp(ys)) + 1
    assert longest == pytest.approx(PRODUCT_SHARE * 64, abs=2)
    assert (xs.min() + xs.max()) / 2 == pytest.approx(31.5, abs=1) and (ys.min() + ys.max()) / 2 == pytest.approx(
        31.5, abs=1
    )
    assert (framed[0] == 255).all() and (framed[:, 0] == 255).all()


def test_the_seller_s_frame_does_not_matter() -> None:
    first = square_on_white(scene(80, 60, (10, 20, 50, 70)), (10, 20, 50, 70), 64, 2.0)
    second = square_on_white(scene(200, 200, (103, 51, 143, 101)), (103, 51, 143, 101), 64, 2.0)
    assert np.abs(first.astype(int) - second.astype(int)).max() <= 2


def test_small_products_are_not_blown_up() -> None:
    framed = square_on_white(scene(80, 60, (20, 20, 30, 30)), (20, 20, 30, 30), 64, 1.8)
    _, xs = np.nonzero(framed.min(-1) < 128)
    assert np.ptp(xs) + 1 == pytest.approx(18, abs=1)


def test_whitening_makes_the_background_white_and_keeps_black() -> None:
    rgb = np.array([[[240, 244, 250], [0, 0, 0], [120, 122, 125]]], np.uint8)
    white = whiten(rgb, np.array([240, 244, 250], np.uint8))
    assert white[0, 0].tolist() == [255, 255, 255] and white[0, 1].tolist() == [0, 0, 0]
    assert np.ptp(white[0, 2].astype(int)) <= 1  # what was of the background's hue is grey


def test_haze_becomes_exact_white_and_everything_darker_is_copied() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    cleared = clear_haze(ramp)
    assert (cleared[0, 246:] == 255).all()
    assert (cleared[0, :229] == ramp[0, :229]).all()
    assert (np.diff(cleared[0, :, 0].astype(int)) >= 0).all()
    yellow = np.full((2, 2, 3), (255, 250, 120), np.uint8)
    assert (clear_haze(yellow) == yellow).all()


def test_crumbs_go_and_pairs_stay() -> None:
    pixels = np.full((64, 64, 3), 255, np.uint8)
    pixels[10:50, 5:25] = pixels[10:50, 35:55] = (40, 60, 120)
    pair = pixels.copy()
    pixels[20:23, 59:62] = (90, 90, 90)
    pixels[20:23, 58] = pixels[20:23, 62] = (250, 250, 250)  # its rim
    assert (clear_crumbs(pixels) == pair).all()
    assert (clear_crumbs(pair) == pair).all()
    blank = np.full((64, 64, 3), 255, np.uint8)
    assert (clear_crumbs(blank) == blank).all()
