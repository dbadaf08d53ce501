"""Measured colours against requested ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from packshot.colour import oklab_from_srgb
from packshot.evaluation.attributes import AttributeCount, Wish, plain
from packshot.evaluation.colours import (
    ANCHORS,
    SELLER_WORDS,
    TERM_OF_WORD,
    basic_term,
    judge_word,
    main_colour,
    read_colour,
)
from packshot.evaluation.judge import JudgeReading

RED, BLUE = (200, 30, 40), (40, 70, 160)


def lab(rgb: tuple[int, int, int]) -> NDArray[np.float32]:
    return oklab_from_srgb(np.array(rgb, np.uint8))


def product(rgb: tuple[int, int, int], accent: tuple[int, int, int] | None = None) -> NDArray[np.uint8]:
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[16:48, 12:52] = rgb
    if accent is not None:
        picture[16:24, 12:52] = accent  # a quarter of the product
    return picture


def reading(categories: list[str], colours: list[str]) -> JudgeReading:
    names = ["watch", "belt", "cap"]
    empty = np.zeros((len(categories), 1), np.float32)
    probabilities = np.array([np.where(np.array(names) == name, 0.6, (0.1, 0.3, 0.2)) for name in categories])
    return JudgeReading(categories, probabilities.astype(np.float32), colours, empty, empty)


@pytest.mark.parametrize(
    ("rgb", "term"),
    [
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((128, 128, 128), "grey"),
        ((220, 20, 20), "red"),
        ((0, 128, 0), "green"),
        ((0, 0, 255), "blue"),
        ((255, 220, 0), "yellow"),
        ((255, 130, 0), "orange"),
        ((128, 0, 128), "purple"),
        ((255, 105, 180), "pink"),
        ((101, 67, 33), "brown"),
        ((0, 0, 90), "blue"),
    ],
)
def test_colours_have_the_names_that_people_give_them(rgb: tuple[int, int, int], term: str) -> None:
    assert basic_term(lab(rgb)) == term


def test_every_term_is_reached_and_every_word_leads_to_one() -> None:
    assert {basic_term(lab(samples[0])) for samples in ANCHORS.values()} == set(ANCHORS)
    assert set(TERM_OF_WORD) == set(SELLER_WORDS)
    assert set(TERM_OF_WORD.values()) <= set(ANCHORS)


def test_sellers_words() -> None:
    assert judge_word("Navy Blue") == "navy"
    assert judge_word(" off white ") == "white"
    assert judge_word("Multi") is judge_word("") is judge_word(None) is None
    every = [seller for sellers in SELLER_WORDS.values() for seller in sellers]
    assert len(every) == len(set(every))


def test_the_main_colour_is_the_products_and_not_the_backgrounds() -> None:
    measured = main_colour(product(RED, accent=BLUE))
    assert measured is not None
    np.testing.assert_allclose(measured, lab(RED), atol=0.01)


def test_a_colour_that_was_met_and_one_that_was_not() -> None:
    met, missed = read_colour(product(RED), lab(RED)), read_colour(product(RED), lab(BLUE))
    assert met.right
    assert met.delta_e < 1
    assert not missed.right
    assert (missed.asked_term, missed.term) == ("blue", "red")
    assert missed.delta_e > 30


def test_nothing_rendered_is_never_right() -> None:
    blank = read_colour(np.full((64, 64, 3), 255, np.uint8), lab((255, 255, 255)))
    assert blank.term is None
    assert not blank.right
    assert math.isnan(blank.delta_e)


def test_attributes_are_counted() -> None:
    count = AttributeCount(["watch", "belt", "cap"])
    pictures = np.stack([product(RED), product(RED), product(BLUE), np.full((64, 64, 3), 255, np.uint8)])
    wishes = [Wish("watch", lab(RED)), Wish("watch", lab(RED)), Wish("belt", lab(RED)), Wish("sofa", lab(RED))]
    count.add(pictures, wishes, reading(["watch", "belt", "belt", "belt"], ["maroon", "blue", "red", "red"]))
    count.add(pictures[:1], [Wish(None)], reading(["belt"], ["red"]))
    scores = count.scores()
    assert scores.pictures == 5
    assert scores.category_accuracy == pytest.approx(2 / 3)
    assert scores.category_in_two == pytest.approx(2 / 3)  # the watch that was read as a belt looks like a cap next
    assert scores.category_accuracies == {"belt": 1.0, "watch": 0.5}
    assert scores.confusions == [("watch", "belt", 1)]
    assert scores.unjudged == 1
    assert scores.colour_right == 2 / 4
    assert scores.colour_agreed == 1 / 4  # maroon is a red; the judge called the second one blue
    assert scores.no_product == 1 / 4
    assert scores.delta_e_median < 1 < scores.delta_e_mean


def test_nothing_asked_is_no_number() -> None:
    scores = AttributeCount(["watch"]).scores()
    assert math.isnan(scores.category_accuracy)
    assert plain({"share": scores.colour_right, "pairs": [("a", np.float32(0.5))]}) == {
        "share": None,
        "pairs": [["a", 0.5]],
    }
