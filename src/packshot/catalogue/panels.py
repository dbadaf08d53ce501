"""Tell panels of text (nutrition facts, lists of features, comparison tables) from pictures of products."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from packshot.colour import oklab_from_srgb

_SMALLEST_PX = 96
"""Below this, text is not resolved and nothing is called a panel."""


def shows_text_panel(product: NDArray[np.uint8]) -> bool:
    """Whether the picture is mostly text: at least five lines of it on light, nearly colourless ground.

    A line of text is a band of rows in which ink starts at least six times, with rows of hardly any ink above and
    below; stripes, checks and chains have the starts but not the gaps.

    Args:
        product: (H, W, 3) sRGB bytes, cropped to what is not background.
    """
    height, width = product.shape[:2]
    if min(height, width) < _SMALLEST_PX:
        return False
    lab = oklab_from_srgb(product)
    lightness, chroma = lab[..., 0], np.hypot(lab[..., 1], lab[..., 2])
    if float((lightness > 0.85).mean()) < 0.55 or float((chroma < 0.04).mean()) < 0.75:
        return False
    ink = lightness < float(np.percentile(lightness, 80)) - 0.2
    lines = _lines(ink)
    return len(lines) >= 5 and sum(lines) >= 0.2 * height


def _lines(ink: NDArray[np.bool_]) -> list[int]:
    """Heights of the lines of text in a (H, W) mask of ink."""
    starts = (ink[:, 1:] & ~ink[:, :-1]).sum(1) + ink[:, 0]
    cover = ink.mean(1)
    texture, gap = (starts >= 6) & (cover < 0.65), (starts <= 1) & (cover < 0.5)
    heights: list[int] = []
    row = 0
    while row < len(ink):
        if not texture[row]:
            row += 1
            continue
        end = row
        while end < len(ink) and not gap[end]:
            end += 1
        if end - row <= max(0.1 * len(ink), 4) and texture[row:end].mean() > 0.4:
            heights.append(end - row)
        row = end
    return heights
