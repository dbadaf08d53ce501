"""Judgements on what is seen in a picture: background, product, lettering, borders, shadow, blur."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packshot.colour import oklab_from_srgb
from packshot.listing.lines import Line
from packshot.listing.measures import Look
from packshot.listing.verdicts import Judgement, share_of, status_of

PRINTED = 80
"""Contrast in levels from which a row of strokes beside the product is text; from `STRONG` up to it one can't be sure.
Measured: docs/listing.md, "How far the detectors can be trusted"."""
LARGE = 0.02
"""Height of such a row, in shares of the frame."""
OVERLAID = (120, 8.0, 0.4)
"""On the product: contrast, evenness and width from which a row may have been laid over it rather than printed on."""
FAINT = (15, 8.0, 0.03)
"""Of a watermark's row: contrast, evenness and height."""
SHADOW = 0.002
"""Share of the frame from which a grey patch beside the product is a shadow."""
CUT = 0.04
"""Share of one side of the frame, covered by what the network takes for the product, from which the frame cuts it."""
DOUBTFUL_BLUR = 0.65
"""Share of the accepted blur from which one can't be sure."""
PAIR, ONE_COLOUR = 0.6, 0.06
"""Area of the second item over the first one's from which the two may be a pair, and distance of their colours in OKLab
up to which they may."""
ITEM_AT_LEAST = 0.2
"""Area, over the largest one's, below which a piece may be a part of the product."""


def judge_white(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Exactly white or not."""
    white = look.white
    border, background = values.get("border_share", 1.0), values.get("background_share", 1.0)
    fits = white.border >= border and white.background >= background
    mean = ",".join(map(str, white.mean))
    share = f"{share_of(white.border)} of the border and {share_of(white.background)} of the background exactly white"
    measured = f"{share}, worst by {white.worst} levels, mean {mean}"
    accepted = f"255,255,255 in {share_of(border)} of the border and {share_of(background)} of the background"
    return Judgement(status_of(fits), measured, accepted)


_NO_PRODUCT = "no product was found"
_BY_EYE = "look at it yourself"


def judge_share(look: Look, values: Mapping[str, Any]) -> Judgement:
    """How much of the frame the product takes."""
    low, high = values.get("min", 0.0), values.get("max", 1.0)
    accepted = f"{share_of(low)} – {share_of(high)} of the frame"
    if look.product is None:
        return Judgement("unsure", _NO_PRODUCT, accepted, _BY_EYE)
    longest, area = look.product.longest, look.product.area
    measured = f"longest side {share_of(longest)} of the frame, area {share_of(area)}"
    return Judgement(status_of(low <= longest <= high), measured, accepted)


def judge_margin(look: Look, values: Mapping[str, Any]) -> Judgement:
    """How near the product comes to the frame."""
    accepted = f"at least {values['min']:.1%} of the frame on every side"
    if look.product is None:
        return Judgement("unsure", _NO_PRODUCT, accepted, _BY_EYE)
    least = look.product.margin
    measured = f"{least:.1%}" if least > 0 else "the product reaches the frame"
    if least < values["min"] and look.product.how == "network" and look.product.contact <= CUT:
        why = "found by a network, whose outline is rough"
        return Judgement("unsure", measured, accepted, why)
    return Judgement(status_of(least >= values["min"]), measured, accepted)


def judge_product_size(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Pixels of the product."""
    accepted = f"longest side from {values['min_px']:g} px"
    if look.product is None:
        return Judgement("unsure", _NO_PRODUCT, accepted, _BY_EYE)
    box = look.product.box
    width, height = (box[2] - box[0]) * look.facts.width_px, (box[3] - box[1]) * look.facts.height_px
    measured = f"{width:.0f}×{height:.0f}"
    return Judgement(status_of(max(width, height) >= values["min_px"]), measured, accepted)


def judge_items(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Separate pieces."""
    accepted = f"up to {values['max']:g}"
    if look.product is None:
        return Judgement("unsure", _NO_PRODUCT, accepted, _BY_EYE)
    items = look.product.items
    measured = f"{len(items)} separate piece{'s' * (len(items) != 1)}"
    if len(items) <= values["max"]:
        return Judgement("pass", measured, accepted)
    if items[int(values["max"])] < ITEM_AT_LEAST:
        why = "the small one may be a part, or another view"
        return Judgement("unsure", measured, accepted, why)
    if len(items) == 2 and items[1] >= PAIR and _alike(look.product.tones):
        why = "two pieces of one size and colour may be a pair"
        return Judgement("unsure", measured, accepted, why)
    return Judgement("fail", measured, accepted)


def _alike(tones: NDArray[np.float64]) -> bool:
    first, second = oklab_from_srgb(np.rint(tones[:2]).astype(np.uint8))
    return float(np.linalg.norm(first - second)) <= ONE_COLOUR


_NO_TEXT = "no text beside the product"


def judge_text(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Lettering beside the product; its own print is not asked for."""
    large = [line for line in look.text if line.box[3] - line.box[1] >= LARGE]
    beside = [line for line in large if line.on_product < 0.5]
    printed = [line for line in beside if line.contrast >= PRINTED]
    if values["allowed"]:
        return Judgement("pass", _rows(beside), "any text")
    if printed:
        return Judgement("fail", _rows(printed), _NO_TEXT)
    contrast, even, wide = OVERLAID
    over = [
        line
        for line in large
        if line.on_product >= 0.5 and line.contrast >= contrast and line.evenness <= even and _wide(line) >= wide
    ]
    if beside:
        why = "low contrast: may be a pattern"
        return Judgement("unsure", _rows(beside), _NO_TEXT, why)
    if over:
        why = "on the product: its own print, or laid over it"
        return Judgement("unsure", _rows(over), _NO_TEXT, why)
    return Judgement("pass", "none found", _NO_TEXT)


def _wide(line: Line) -> float:
    return line.box[2] - line.box[0]


def _rows(lines: list[Line]) -> str:
    if not lines:
        return "none found"
    left, top = lines[0].box[:2]
    at = f"{left:.0%}, {top:.0%}"
    return f"{len(lines)} row{'s' * (len(lines) != 1)} of lettering, at {at}"


def judge_watermark(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Faint lettering, and small pieces in the corners."""
    accepted = "no watermark or added logo"
    if values["allowed"]:
        return Judgement("pass", "not asked", "any")
    contrast, even, high = FAINT
    faint = [
        line
        for line in look.faint_text
        if line.contrast >= contrast and line.evenness <= even and line.box[3] - line.box[1] >= high
    ]
    if faint:
        why = "faint lettering: a watermark or a pattern"
        return Judgement("unsure" if not look.on_white else "fail", _rows(faint), accepted, why)
    corners = len(look.marks)
    if corners:
        measured = f"{corners} small piece{'s' * (corners != 1)} in the corners"
        return Judgement("unsure", measured, accepted, "may be a logo")
    return Judgement("pass", "none found", accepted)


def judge_border(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Even strips along the sides."""
    accepted = "no border or frame"
    sides = list(look.strips)
    if not sides or values["allowed"]:
        return Judgement("pass", "none found", accepted)
    measured = f"an even strip: {', '.join(sides)}"
    if framed(look):
        return Judgement("fail", measured, accepted)
    why = "on one side or two: may be the edge of a table"
    return Judgement("unsure", measured, accepted, why)


def framed(look: Look) -> bool:
    """Whether opposite sides have a strip: one alone may be the edge of a table."""
    return {"top", "bottom"} <= look.strips.keys() or {"left", "right"} <= look.strips.keys()


def judge_shadow(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Grey beside the product, on white."""
    accepted = "no shadow"
    if values["allowed"]:
        return Judgement("pass", "not asked", "any")
    if look.shadow is None:
        why = "only looked for on white"
        return Judgement("not-applicable", "the background is not white", accepted, why)
    measured = f"grey beside the product on {look.shadow:.1%} of the frame"
    return Judgement(status_of(look.shadow < SHADOW), measured, accepted)


def judge_blur(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Width of the edges."""
    most = values["max_px"]
    accepted = f"edges up to {most:g} px wide, the product being 512 px"
    if look.blur is None:
        return Judgement("unsure", "no edges were found", accepted, _BY_EYE)
    measured = f"{look.blur:.2f} px"
    if look.blur > most:
        return Judgement("fail", measured, accepted)
    if look.blur > DOUBTFUL_BLUR * most:
        return Judgement("unsure", measured, accepted, "soft: look at it at full size")
    return Judgement("pass", measured, accepted)
