"""Measures on pictures: which number is which side, true scale, lines as long as the product, refusals."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

pytest.importorskip("cv2")

from packshot.editing.dimensions import LINE, dimensions, scale_of
from packshot.editing.lengths import TOLERANCE, Sides, read_measures, sides, spoken
from packshot.editing.references import EDGE, FIGURE, reference_for, references
from packshot.editing.scene import Scene, flatten
from packshot.editing.warp import product_box
from packshot.errors import RequestError
from packshot.images import packaged_font

needs_font = pytest.mark.skipif(packaged_font() is None, reason="no packaged font: pip install 'packshot[edit]'")


def block(width: int, height: int) -> Scene:
    """A brown block cut out on white, with paper around it."""
    alpha = np.zeros((height + 60, width + 80), np.uint8)
    alpha[20 : 20 + height, 30 : 30 + width] = 255
    product = np.full((*alpha.shape, 3), (150, 90, 40), np.uint8)
    return Scene(product, alpha, backdrop=np.full_like(product, 255))


@pytest.mark.parametrize(
    ("text", "lengths"),
    [("30x20cm", (30, 20)), ("30 × 20 × 10", (30, 20, 10)), ("12x8in", (30.48, 20.32)), ("300*200mm", (30, 20))],
)
def test_measures_are_read(text: str, lengths: tuple[float, ...]) -> None:
    assert read_measures(text, "x") == lengths


@pytest.mark.parametrize("text", ["", "30", "30x", "30x20kg", "30x20x10x5cm", "0x20cm", "3000x20cm", "-3x2cm"])
def test_other_measures_are_refused(text: str) -> None:
    with pytest.raises(RequestError, match="30x20cm"):
        read_measures(text, "dimensions.size")


def test_the_ratio_says_which_number_is_which_in_any_order_and_at_any_scale() -> None:
    for order in itertools.permutations((32.0, 21.0, 9.0)):
        assert sides(order, 32 / 21 * 1.03, "x") == Sides(32, 21, 9)
        assert sides([2 * length for length in order], 21 / 32, "x") == Sides(42, 64, 18)
        assert sides(order, 9 / 21, "x") == Sides(9, 21, 32)
    assert sides((20, 20, 10), 1.0, "x") == Sides(20, 20, 10)


def test_measures_that_fit_in_no_way_or_in_two_are_refused() -> None:
    for ratio in (1.5 * math.exp(TOLERANCE * 1.01), 1.5 * math.exp(-TOLERANCE * 1.01), 1.0):
        with pytest.raises(RequestError, match="as wide as high"):
            sides((30, 20), ratio, "x")
    with pytest.raises(RequestError, match=r"(45 × 30 and 30 × 20|30 × 20 and 45 × 30) fit"):
        sides((30, 20, 45), 1.5, "x")
    with pytest.raises(RequestError, match="fit the photo"):
        sides((30, 31.5), 1.0, "x")
    assert sides((30, 30.5), 1.0, "x").width in (30, 30.5)  # either says the same


def test_lengths_are_said_with_a_decimal_at_the_most() -> None:
    assert [spoken(30.48, unit) for unit in ("cm", "in")] == ["30.5 cm", "12 in"]
    assert (spoken(0.45, "cm"), spoken(20.0, "cm"), spoken(0.4, "in")) == ("0.45 cm", "20 cm", "0.16 in")


def test_familiar_things_have_their_true_sizes_and_suit_the_product() -> None:
    known = references()
    assert (known["card"].width, known["card"].height) == (8.56, 5.398)
    assert (known["a4"].width, known["a4"].height) == (21.0, 29.7)
    for language in ("en", "zh"):
        sizes = [1, 3, 5, 10, 20, 40, 90, 150, 900]
        chosen = [reference_for("auto", size, size, language, "x") for size in sizes]
        assert all(ref is not None and language in ref.languages for ref in chosen)
        tall = [ref.height for ref in chosen if ref is not None]
        assert tall == sorted(tall) and len(set(tall)) == 5
    assert reference_for("none", 5, 5, "en", "x") is None
    with pytest.raises(RequestError, match="card, phone"):
        reference_for("banana", 5, 5, "en", "x")


@needs_font
@pytest.mark.parametrize(
    ("pixels", "size", "beside", "canvas"),
    [
        ((600, 400), "30x20x12cm", "a4", "1000"),
        ((300, 900), "8x24cm", "card", "800x1000"),
        ((600, 400), "180x120cm", "person", "900"),
        ((260, 240), "13x12cm", "phone", "auto"),
    ],
)
def test_lines_are_as_long_as_the_product_and_the_thing_is_at_its_scale(
    pixels: tuple[int, int], size: str, beside: str, canvas: str
) -> None:
    scene = dimensions(block(*pixels), size, canvas=canvas, beside=beside, units="cm,in")
    left, top, right, bottom = product_box(scene, "x")
    overlay = scene.overlay
    assert overlay is not None
    assert not overlay[top:bottom, left:right, 3].any()  # nothing lies on the product
    line = (overlay == LINE).all(-1)
    across = np.flatnonzero(line[bottom:].sum(1).argmax() + bottom == np.arange(len(line)))
    columns = np.flatnonzero(line[across[0]])
    assert (columns[0], columns[-1]) == (left, right - 1)
    rows = np.flatnonzero(line[:, line[:, :left].sum(0).argmax()])
    assert abs(rows[0] - top) <= 1 and abs(rows[-1] - (bottom - 1)) <= 1
    reference = references()[beside]
    scale = math.sqrt((right - left) * (bottom - top) / math.prod(read_measures(size, "x")[:2]))
    ink = ((overlay == EDGE) | (overlay == FIGURE)).all(-1)
    ink[:, :right] = False
    tall = np.flatnonzero(ink.any(1))
    assert tall[-1] - tall[0] + 1 == pytest.approx(reference.height * scale, abs=3)
    assert abs(tall[-1] + 1 - bottom) <= 1  # on one ground
    wide = np.flatnonzero(ink.any(0))
    assert wide[-1] - wide[0] + 1 == pytest.approx(reference.width * scale, abs=3 + 0.02 * reference.width * scale)


@needs_font
def test_pixels_are_copied_where_no_canvas_is_given_and_else_resampled_once() -> None:
    photo = block(200, 300)
    copied = dimensions(photo, "20x30cm")
    assert copied.placement is not None and copied.reduced is None
    left, top, right, bottom = product_box(copied, "x")
    assert (right - left, bottom - top) == (200, 300)
    scaled = dimensions(photo, "20x30cm", canvas="500")
    left, top, right, bottom = product_box(scaled, "x")
    assert scaled.reduced is not None and scaled.size == (500, 500)
    assert (right - left) / 200 == pytest.approx(scale_of(photo, "20x30cm", (500, 500)), abs=0.011)
    assert (flatten(scaled) == flatten(dimensions(photo, "20x30cm", canvas="500"))).all()


@needs_font
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "30x10cm"}, "as wide as high"),
        ({"size": "20x30cm", "canvas": "100"}, "236 at least"),
        ({"size": "2x3cm", "beside": "person", "canvas": "800"}, "too small beside it"),
        ({"size": "20x30cm", "units": "ft"}, "cm or in"),
        ({"size": "20x30cm", "units": "cm,cm"}, "cm or in"),
        ({"size": "20x30cm", "language": "fr"}, "en or zh"),
        ({"size": "20x30cm", "beside": "banana"}, "auto, none"),
    ],
)
def test_mistakes_are_said_in_one_line(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        dimensions(block(200, 300), **arguments)
