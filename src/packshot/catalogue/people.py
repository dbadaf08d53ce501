"""Tell pictures of people from pictures of products, by how the figure meets the frame and where skin is.

The rules were made by looking at a fashion retailer's catalogue on white (docs/data.md says what they catch and miss).
They are no person detector: they know that studios cut people at the frame and products not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from packshot.colour import oklab_from_srgb
from packshot.framing import Finding

CLOTHING = frozenset({"tshirt", "shirt", "sweater", "jacket", "shorts", "top", "dress", "trousers"})
_NARROW = 0.66
_EDGE_PX = 2


def shows_person(category: str, finding: Finding, square: NDArray[np.uint8]) -> bool:
    """Whether the picture shows a person (or legs) with the product rather than the product alone.

    Args:
        category: the lexicon's entry.
        finding: of the picture as the seller framed it.
        square: (S, S, 3) sRGB bytes, the product squared on white; S of 64 is enough.
    """
    cut_above, cut_below = bool(finding.mask[:_EDGE_PX].any()), bool(finding.mask[-_EDGE_PX:].any())
    if category in CLOTHING and (cut_above or cut_below):
        return True
    if category == "scarf" and cut_below:
        return True
    upper, lower = _skin_shares(square)
    if category in CLOTHING:
        left, top, right, bottom = finding.box
        return (right - left) / (bottom - top) < _NARROW and (upper > 0.3 or lower > 0.25)
    if category == "socks":
        return upper > 0.4 and lower < 0.15
    return cut_below and upper > 0.12 and lower < 0.3 and upper > lower and category not in ("tie", "necklace")


def _skin_shares(square: NDArray[np.uint8]) -> tuple[float, float]:
    """Share of skin colours in the upper quarter and the lower two fifths of the figure."""
    figure: NDArray[np.bool_] = np.min(square, axis=-1) < 248
    rows = np.flatnonzero(figure.any(1))
    if not len(rows):
        return 0.0, 0.0
    skin = figure & _skin_coloured(square)
    top, height = int(rows[0]), int(rows[-1]) + 1 - int(rows[0])
    upper = slice(top, top + max(height // 4, 1))
    lower = slice(top + round(0.6 * height), top + height)
    return _share(skin[upper], figure[upper]), _share(skin[lower], figure[lower])


def _skin_coloured(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Colours of skin under studio light: a wedge of orange in OKLab. Much leather and gold falls inside it too."""
    lab = oklab_from_srgb(rgb)
    lightness, a, b = lab[..., 0], lab[..., 1], lab[..., 2]
    wedge = (a > 0.02) & (a < 0.11) & (b > 0.02) & (b < 0.13) & (b > 0.4 * a)
    return np.asarray(wedge & (lightness > 0.35) & (lightness < 0.9))


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    return float(part.sum()) / max(int(whole.sum()), 1)
