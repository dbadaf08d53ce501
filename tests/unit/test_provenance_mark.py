"""The imperceptible mark: what it survives, what it leaves alone, and that it is not seen where it is not."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from provenance_fakes import product_picture

from packshot.errors import RequestError
from packshot.provenance import mark, mark_layout

Bytes = NDArray[np.uint8]
PAYLOAD = mark.Payload(2, 123_456)


@pytest.fixture(scope="module")
def marked() -> mark.Marked:
    return mark.embed(product_picture(), PAYLOAD)


def jpeg(pixels: Bytes) -> Bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=75)
    return np.array(Image.open(buffer))


def half(pixels: Bytes) -> Bytes:
    return np.array(Image.fromarray(pixels).resize((pixels.shape[1] // 2, pixels.shape[0] // 2)))


ATTACKS = {
    "nothing": lambda p: p,
    "jpeg": jpeg,
    "half": half,
    "cropped": lambda p: p[32:-32, 32:-32],
    "cropped unevenly": lambda p: p[20:-3, 7:],
    "all": lambda p: jpeg(half(p[11:-20, 9:-30])),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_read_after(attack: str, marked: mark.Marked) -> None:
    found = mark.read(ATTACKS[attack](marked.pixels))
    assert found is not None
    assert found.payload == PAYLOAD


def test_white_stays_white_and_nothing_becomes_it(marked: mark.Marked) -> None:
    before = product_picture()
    assert marked.readable
    assert not np.array_equal(marked.pixels, before)
    np.testing.assert_array_equal((marked.pixels == 255).all(axis=2), (before == 255).all(axis=2))


def test_it_costs_less_than_forty_decibels_and_says_so(marked: mark.Marked) -> None:
    error = np.square(marked.pixels.astype(np.float64) - product_picture()).mean()
    psnr = 10 * np.log10(255**2 / error)
    assert psnr >= mark.LEAST_PSNR
    assert marked.psnr == pytest.approx(psnr, abs=0.01)


def test_the_same_picture_and_payload_give_the_same_bytes(marked: mark.Marked) -> None:
    np.testing.assert_array_equal(mark.embed(product_picture(), PAYLOAD).pixels, marked.pixels)


def test_a_protected_product_is_untouched_and_what_is_around_it_marked() -> None:
    pixels = np.clip(product_picture(), 0, 225)
    protect = np.zeros(pixels.shape[:2], bool)
    protect[200:440, 200:440] = True
    out = mark.embed(pixels, PAYLOAD, protect=protect)
    found = mark.read(out.pixels)
    np.testing.assert_array_equal(out.pixels[protect], pixels[protect])
    assert found is not None and found.payload == PAYLOAD


def test_a_protected_product_on_white_leaves_nothing_to_mark() -> None:
    pixels = product_picture()
    out = mark.embed(pixels, PAYLOAD, protect=~(pixels == 255).all(axis=2))
    assert not out.readable
    assert out.pixels is pixels


@pytest.mark.parametrize("seed", range(3))
def test_it_is_not_seen_in_an_unmarked_picture(seed: int) -> None:
    pixels = product_picture(seed=seed)
    assert mark.read(pixels) is None
    for look in mark.looks(pixels):  # so that not the check sum alone keeps false marks out
        assert look.peak < mark.SURE
        assert look.certainty < mark.CERTAIN


def test_a_marked_picture_passes_all_limits_with_room(marked: mark.Marked) -> None:
    found = mark.read(marked.pixels)
    assert found is not None
    assert found.peak > mark.SURE + 1
    assert found.certainty > mark.CERTAIN + 2


def with_pattern(pattern: NDArray[np.float32]) -> Bytes:
    """A grey picture that shows a pattern as strongly as a mark, the reader's layout its own size."""
    noise = np.random.default_rng(5).normal(0, 4, pattern.shape)
    return np.repeat(np.clip(np.rint(128 + 3 * pattern + noise), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_known_cells_alone_are_no_mark() -> None:
    letters = bytes((1, 2, 3, 4))
    inverse = bytes(letter ^ 128 for letter in letters)
    look = next(mark.looks(with_pattern(mark_layout.pattern(letters) + mark_layout.pattern(inverse))))
    assert look.peak > mark.SURE + 5
    assert look.certainty < mark.CERTAIN
    assert not replace(look, payload=PAYLOAD).is_mark  # though its check sum agreed


def test_letters_of_a_wrong_check_sum_are_no_mark() -> None:
    look = next(mark.looks(with_pattern(mark_layout.pattern(bytes((1, 2, 3, 4))))))
    assert look.peak > mark.SURE + 5
    assert look.certainty > mark.CERTAIN + 5
    assert look.payload is None
    assert not look.is_mark


def test_letters_without_known_cells_are_no_mark() -> None:
    assert not mark.Look(mark.SURE - 0.1, mark.CERTAIN + 5, 1.0, PAYLOAD).is_mark
    assert mark.Look(mark.SURE, mark.CERTAIN, 1.0, PAYLOAD).is_mark


def test_noise_comes_to_the_certainty_that_theory_says() -> None:
    rng = np.random.default_rng(6)
    scores = rng.standard_normal((400, mark_layout.LETTERS, mark_layout.CHIPS)).astype(np.float32)
    by_theory = [mark.certainty(one) for one in scores]
    pictures = rng.integers(0, 256, (12, 64, 48, 3), np.uint8)
    seen = [look.certainty for picture in pictures for look in mark.looks(picture, cropped=False)]
    assert np.median(by_theory) == pytest.approx(11.6, abs=0.15)
    assert max(by_theory) < mark.CERTAIN + 0.5
    assert np.median(seen) == pytest.approx(np.median(by_theory), abs=0.6)


def test_a_cropped_picture_is_not_searched_where_nothing_was_cut_off(marked: mark.Marked) -> None:
    assert mark.read(marked.pixels, cropped=False) is not None
    assert mark.read(marked.pixels[32:-32, 32:-32], cropped=False) is None


def test_transparency_stays_and_only_what_is_opaque_is_marked() -> None:
    alpha = np.full((640, 640, 1), 255, np.uint8)
    alpha[:, :200] = 0
    pixels = np.dstack([product_picture(), alpha])
    out = mark.embed(pixels, PAYLOAD)
    np.testing.assert_array_equal(out.pixels[..., 3], pixels[..., 3])
    np.testing.assert_array_equal(out.pixels[:, :200], pixels[:, :200])
    assert out.readable


@pytest.mark.parametrize(("kind", "number"), [(4, 0), (-1, 0), (0, mark.NUMBERS), (0, -1)])
def test_a_payload_out_of_range_is_refused(kind: int, number: int) -> None:
    with pytest.raises(RequestError, match="mark"):
        mark.Payload(kind, number)


def test_numbers_depend_on_the_text_and_fit() -> None:
    numbers = {mark.number_of(str(i)) for i in range(50)}
    assert len(numbers) >= 49
    assert max(numbers) < mark.NUMBERS
