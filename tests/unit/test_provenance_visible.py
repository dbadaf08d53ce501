"""The visible label: its words, height, contrast and place, and that it is found again."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from provenance_fakes import product_picture

from packshot.errors import MissingExtraError, RequestError
from packshot.images import packaged_font
from packshot.provenance import visible

needs_font = pytest.mark.skipif(packaged_font() is None, reason="needs a font: pip install 'packshot[provenance]'")


@needs_font
@pytest.mark.parametrize("size", [(400, 300), (333, 1000), (1500, 900)])
def test_letters_are_a_twentieth_of_the_shorter_side_high(size: tuple[int, int]) -> None:
    pixels = np.full((*size, 3), 255, np.uint8)
    out, drawn = visible.draw(pixels)
    rows = np.flatnonzero((out < 128).any(axis=(1, 2)))
    assert rows[-1] + 1 - rows[0] >= 0.05 * min(size)
    assert drawn.height >= 0.05
    assert (pixels == 255).all()


@needs_font
def test_it_stands_in_the_corner_without_product_and_changes_nothing_else() -> None:
    pixels = np.full((400, 400, 3), 255, np.uint8)
    pixels[200:, :] = 30
    pixels[:200, 200:] = 90
    out, drawn = visible.draw(pixels)
    left, top, right, bottom = (round(400 * side) for side in drawn.box)
    outside = np.ones((400, 400), bool)
    outside[top:bottom, left:right] = False
    assert drawn.corner in ("top left", "bottom right", "bottom left")
    np.testing.assert_array_equal(out[outside], pixels[outside])


@needs_font
def test_a_product_in_three_corners_leaves_the_fourth() -> None:
    pixels = np.full((400, 400, 3), 255, np.uint8)
    rng = np.random.default_rng(0)
    pixels[300:, :] = rng.integers(0, 255, (100, 400, 3))
    pixels[:100, 250:] = rng.integers(0, 255, (100, 150, 3))
    assert visible.draw(pixels)[1].corner == "top left"


@needs_font
@pytest.mark.parametrize("ground", ["white", "black", "grey", "stripes", "noise"])
def test_contrast_is_enough_on(ground: str) -> None:
    pixels = np.full((400, 400, 3), {"white": 255, "black": 0, "grey": 119}.get(ground, 128), np.uint8)
    if ground == "stripes":
        pixels[:, ::8] = pixels[:, 1::8] = pixels[:, 2::8] = pixels[:, 3::8] = 255
    if ground == "noise":
        pixels = np.random.default_rng(1).integers(0, 255, (400, 400, 3), np.uint8)
    drawn = visible.draw(pixels)[1]
    assert drawn.contrast >= visible.LEAST_CONTRAST
    assert drawn.plate == (ground in ("stripes", "noise"))


@needs_font
def test_it_is_seen_after_resizing_and_not_where_it_is_not() -> None:
    pixels = product_picture()
    out, drawn = visible.draw(pixels)
    small = np.array(Image.fromarray(out).resize((320, 320)))
    assert visible.is_seen(out, drawn.words, drawn.box)
    assert visible.is_seen(small, drawn.words, drawn.box)
    assert not visible.is_seen(pixels, drawn.words, drawn.box)
    assert not visible.is_seen(out[:, ::-1], drawn.words, drawn.box)


@needs_font
def test_transparent_pictures_get_opaque_letters() -> None:
    out, _ = visible.draw(np.zeros((400, 400, 4), np.uint8))
    assert out[..., 3].max() == 255


@pytest.mark.parametrize("words", ["AI", "生成", "made by a machine", ""])
def test_words_that_do_not_say_it_are_refused(words: str) -> None:
    with pytest.raises(RequestError, match="visible label"):
        visible.draw(product_picture(64), words)


@needs_font
def test_less_height_and_too_long_words_are_refused() -> None:
    with pytest.raises(RequestError, match="height"):
        visible.draw(product_picture(64), height=0.04)
    with pytest.raises(RequestError, match="fit into"):
        visible.draw(product_picture(64), "人工智能生成合成内容" * 5)


def test_without_the_font_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packshot.provenance.visible.packaged_font", lambda: None)
    with pytest.raises(MissingExtraError, match="pip install"):
        visible.draw(product_picture(64))


@needs_font
def test_capitals_count_as_letters() -> None:
    pixels = np.full((1000, 1000, 3), 255, np.uint8)
    out, drawn = visible.draw(pixels)
    left, top, _, bottom = (round(1000 * side) for side in drawn.box)
    capital = out[top:bottom, left : left + (bottom - top) // 2]  # the A
    rows = np.flatnonzero((capital < 128).any(axis=(1, 2)))
    assert rows[-1] + 1 - rows[0] >= 50


@needs_font
@pytest.mark.parametrize("size", [(64, 64), (64, 200), (200, 64), (100, 100)])
def test_letters_in_small_pictures_are_large_enough_to_read_and_to_be_seen(size: tuple[int, int]) -> None:
    out, drawn = visible.draw(np.full((*size, 3), 255, np.uint8))
    assert drawn.height * min(size) >= 9
    assert visible.is_seen(out, drawn.words, drawn.box)


@needs_font
def test_where_legible_letters_do_not_fit_the_standards_height_is_kept() -> None:
    drawn = visible.draw(np.full((300, 64, 3), 255, np.uint8), "人工智能生成合成内容")[1]
    assert 0.05 * 64 <= drawn.height * 64 < 8
