"""Was the colour that was asked for rendered? Measured on the product's own pixels; knows no network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from packshot.colour import cielab_from_srgb, delta_e2000, main_colours, oklab_from_srgb, srgb_from_oklab
from packshot.framing import find_product

Array = NDArray[np.float32]

SELLER_WORDS: dict[str, tuple[str, ...]] = {
    "black": ("black",),
    "white": ("white", "off white"),
    "blue": ("blue", "turquoise blue"),
    "brown": ("brown", "coffee brown", "mushroom brown", "tan", "taupe"),
    "grey": ("grey", "gray", "grey melange", "charcoal"),
    "red": ("red",),
    "green": ("green", "olive", "sea green", "lime green", "fluorescent green"),
    "pink": ("pink", "rose", "magenta"),
    "purple": ("purple", "lavender", "mauve"),
    "silver": ("silver", "steel", "metallic"),
    "yellow": ("yellow", "mustard"),
    "beige": ("beige", "cream", "khaki", "nude", "skin"),
    "gold": ("gold",),
    "orange": ("orange", "rust"),
    "navy": ("navy blue", "navy"),
    "maroon": ("maroon", "burgundy"),
}
"""The judge's colour words and the sellers' words each stands for; words between two (teal, peach) are left out."""

TERM_OF_WORD: dict[str, str] = {
    **{word: word for word in SELLER_WORDS},
    "silver": "grey",
    "gold": "yellow",
    "navy": "blue",
    "maroon": "red",
}
"""Judge's word -> basic term.

Silver and gold are names of a gloss: a single measured colour cannot tell them from grey and yellow.
"""

ANCHORS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "black": ((15, 15, 15), (48, 48, 50)),
    "grey": ((92, 92, 93), (130, 130, 130), (172, 172, 172), (205, 205, 207)),
    "white": ((235, 235, 235), (255, 255, 255)),
    "brown": ((60, 46, 40), (95, 75, 63), (112, 62, 36), (140, 104, 76)),
    "beige": ((196, 179, 152), (226, 214, 192)),
    "red": ((200, 30, 40), (172, 62, 64), (108, 32, 38)),
    "orange": ((232, 118, 36), (225, 140, 98)),
    "yellow": ((242, 212, 60), (234, 214, 130), (202, 166, 72)),
    "green": ((40, 120, 60), (112, 150, 92), (92, 94, 62), (160, 208, 90), (58, 80, 64), (20, 108, 104)),
    "blue": ((40, 70, 160), (90, 122, 182), (152, 182, 216), (112, 122, 144), (36, 42, 70), (90, 184, 192)),
    "purple": ((100, 50, 120), (150, 110, 170), (186, 166, 202), (76, 52, 82)),
    "pink": ((230, 88, 150), (240, 170, 186), (200, 140, 156), (172, 60, 112)),
}
"""Berlin and Kay's (1969) eleven basic terms and beige, each as sRGB samples: light, dark, vivid and dusty ones."""

_ANCHOR_TERMS = tuple(term for term, samples in ANCHORS.items() for _ in samples)
_ANCHOR_LAB = cielab_from_srgb(np.array([rgb for samples in ANCHORS.values() for rgb in samples], np.uint8))
_WORD_OF_SELLER = {seller: word for word, sellers in SELLER_WORDS.items() for seller in sellers}


@dataclass(frozen=True, slots=True)
class ColourReading:
    """What was asked for and what was rendered.

    Attributes:
        asked_term: basic term nearest to the requested colour.
        term: basic term nearest to the rendered main colour, or None where no product stands out from the background.
        delta_e: CIEDE2000 between the two; NaN where no product stands out.
    """

    asked_term: str
    term: str | None
    delta_e: float

    @property
    def right(self) -> bool:
        """Whether both have the same basic term."""
        return self.term == self.asked_term


def judge_word(seller_word: str | None) -> str | None:
    """The judge's word for a seller's colour word, None where it has none."""
    return _WORD_OF_SELLER.get((seller_word or "").strip().lower())


def main_colour(rgb: NDArray[np.uint8]) -> Array | None:
    """The colour of the largest share of the product on a plain background.

    Args:
        rgb: (H, W, 3) sRGB bytes.

    Returns:
        (3,) OKLab, or None where nothing stands out from the background.
    """
    found = find_product(rgb)
    return None if found is None else main_colours(oklab_from_srgb(rgb)[found.mask], 1)[0][0]


def basic_term(oklab: Array) -> str:
    """The basic colour term whose nearest sample in `ANCHORS` is nearest by CIEDE2000.

    Args:
        oklab: (3,).
    """
    lab = _cielab(oklab)
    return _ANCHOR_TERMS[int(np.argmin(delta_e2000(np.broadcast_to(lab, _ANCHOR_LAB.shape), _ANCHOR_LAB)))]


def read_colour(rgb: NDArray[np.uint8], asked: Array) -> ColourReading:
    """Compare a picture's main colour with the one asked for.

    Args:
        rgb: (H, W, 3) sRGB bytes, product on a plain background.
        asked: (3,) OKLab.
    """
    asked = np.asarray(asked, np.float32)
    rendered = main_colour(rgb)
    if rendered is None:
        return ColourReading(basic_term(asked), None, float("nan"))
    difference = float(delta_e2000(_cielab(asked), _cielab(rendered)))
    return ColourReading(basic_term(asked), basic_term(rendered), difference)


def _cielab(oklab: Array) -> Array:
    return cielab_from_srgb(srgb_from_oklab(np.asarray(oklab, np.float32)))
