"""Colour: round trips, published pairs, and what a main colour must be."""

from __future__ import annotations

import numpy as np
import pytest

from packshot.colour import (
    cielab_from_srgb,
    delta_e2000,
    linear_from_srgb,
    main_colours,
    oklab_from_srgb,
    srgb_from_linear,
    srgb_from_oklab,
)

RGB = np.random.default_rng(0).integers(0, 256, (500, 3), dtype=np.uint8)


def test_round_trips_return_the_same_bytes() -> None:
    assert (srgb_from_linear(linear_from_srgb(RGB)) == RGB).all()
    assert (srgb_from_oklab(oklab_from_srgb(RGB)) == RGB).all()


def test_greys_have_no_chroma_and_white_is_one() -> None:
    greys = np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1)
    assert np.abs(oklab_from_srgb(greys)[:, 1:]).max() < 1e-4
    assert np.abs(cielab_from_srgb(greys)[:, 1:]).max() < 0.02
    assert oklab_from_srgb(greys)[255, 0] == pytest.approx(1, abs=1e-4)
    assert cielab_from_srgb(greys)[255, 0] == pytest.approx(100, abs=1e-2)


# Sharma, Wu, Dalal 2005, table 1: pairs chosen to catch wrong hue means, signs and the rotation term.
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
        ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
        ((50, -0.001, 2.49), (50, 0.0011, -2.49), 4.7461),
        ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((90.8027, -2.0831, 1.441), (91.1528, -1.6435, 0.0447), 1.4441),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_delta_e2000_agrees_with_the_published_pairs(
    first: tuple[float, ...], second: tuple[float, ...], expected: float
) -> None:
    for one, other in ((first, second), (second, first)):
        assert float(delta_e2000(np.array(one, np.float32), np.array(other, np.float32))) == pytest.approx(
            expected, abs=2e-4
        )


def test_delta_e2000_is_a_symmetric_difference() -> None:
    first, second = cielab_from_srgb(RGB), cielab_from_srgb(RGB[::-1].copy())
    assert delta_e2000(first, first).max() == 0
    assert np.allclose(delta_e2000(first, second), delta_e2000(second, first), atol=1e-3)


def test_main_colours_are_found_with_their_shares() -> None:
    red, blue = oklab_from_srgb(np.array([[200, 30, 30], [30, 30, 200]], np.uint8))
    noise = np.random.default_rng(1).normal(0, 0.005, (5000, 3)).astype(np.float32)
    pixels = np.concatenate([np.tile(red, (3500, 1)), np.tile(blue, (1500, 1))]) + noise
    (first, first_share), (second, second_share) = main_colours(pixels)
    assert np.linalg.norm(first - red) < 0.01 and np.linalg.norm(second - blue) < 0.01
    assert first_share == pytest.approx(0.7, abs=0.05) and second_share == pytest.approx(0.3, abs=0.05)


def test_one_colour_gives_one_main_colour_of_share_one() -> None:
    for count in (1, 3, 3000):
        found = main_colours(np.full((count, 3), 0.5, np.float32))
        assert len(found) == 1 and found[0][1] == pytest.approx(1)
