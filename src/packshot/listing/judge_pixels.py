"""Judgements on what is seen in a picture: background, product, lettering, borders, shadow, blur."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packshot.colour import oklab_from_srgb
from packshot.listing.lines import Line
from packshot.listing.measures import Look
from packshot.listing.verdicts import Judgement, Said, share_of, status_of

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
    en = f"{share_of(white.border)} of the border and {share_of(white.background)} of the background exactly white"
    zh = f"边缘 {share_of(white.border)}、背景 {share_of(white.background)} 为纯白"
    measured = Said(f"{en}, worst by {white.worst} levels, mean {mean}", f"{zh}，最大偏差 {white.worst}，均值 {mean}")
    accepted = Said(
        f"255,255,255 in {share_of(border)} of the border and {share_of(background)} of the background",
        f"边缘 {share_of(border)}、背景 {share_of(background)} 为 255,255,255",
    )
    return Judgement(status_of(fits), measured, accepted)


_NO_PRODUCT = Said("no product was found", "未找到主体")
_BY_EYE = Said("look at it yourself", "请人工查看")


def judge_share(look: Look, values: Mapping[str, Any]) -> Judgement:
    """How much of the frame the product takes."""
    low, high = values.get("min", 0.0), values.get("max", 1.0)
    accepted = Said(f"{share_of(low)} – {share_of(high)} of the frame", f"占画面 {share_of(low)} – {share_of(high)}")
    if look.product is None:
        return Judgement("unsure", _NO_PRODUCT, accepted, _BY_EYE)
    longest, area = look.product.longest, look.product.area
    en = f"longest side {share_of(longest)} of the frame, area {share_of(area)}"
    measured = Said(en, f"最长边占 {share_of(longest)}，面积占 {share_of(area)}")
    return Judgement(status_of(low <= longest <= high), measured, accepted)


def judge_margin(look: Look, values: Mapping[str, Any]) -> Judgement:
    """How near the product comes to the frame."""
    accepted = Said(f"at least {values['min']:.1%} of the frame on every side", f"四周至少 {values['min']:.1%}")
    if look.product is None:
        return Judgement("unsure", _NO_PRODUCT, accepted, _BY_EYE)
    least = look.product.margin
    measured = (
        Said(f"{least:.1%}", f"{least:.1%}") if least > 0 else Said("the product reaches the frame", "主体触及画面边缘")
    )
    if least < values["min"] and look.product.how == "network" and look.product.contact <= CUT:
        why = Said("found by a network, whose outline is rough", "主体由网络估计，轮廓粗略")
        return Judgement("unsure", measured, accepted, why)
    return Judgement(status_of(least >= values["min"]), measured, accepted)


def judge_product_size(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Pixels of the product."""
    accepted = Said(f"longest side from {values['min_px']:g} px", f"最长边≥{values['min_px']:g} 像素")
    if look.product is None:
        return Judgement("unsure", _NO_PRODUCT, accepted, _BY_EYE)
    box = look.product.box
    width, height = (box[2] - box[0]) * look.facts.width_px, (box[3] - box[1]) * look.facts.height_px
    measured = Said(*[f"{width:.0f}×{height:.0f}"] * 2)
    return Judgement(status_of(max(width, height) >= values["min_px"]), measured, accepted)


def judge_items(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Separate pieces."""
    accepted = Said(f"up to {values['max']:g}", f"≤{values['max']:g}")
    if look.product is None:
        return Judgement("unsure", _NO_PRODUCT, accepted, _BY_EYE)
    items = look.product.items
    measured = Said(f"{len(items)} separate piece{'s' * (len(items) != 1)}", f"{len(items)} 个独立部分")
    if len(items) <= values["max"]:
        return Judgement("pass", measured, accepted)
    if items[int(values["max"])] < ITEM_AT_LEAST:
        why = Said("the small one may be a part, or another view", "较小的部分可能是配件或另一视角")
        return Judgement("unsure", measured, accepted, why)
    if len(items) == 2 and items[1] >= PAIR and _alike(look.product.tones):
        why = Said("two pieces of one size and colour may be a pair", "两个大小、颜色相近的部分可能是一双")
        return Judgement("unsure", measured, accepted, why)
    return Judgement("fail", measured, accepted)


def _alike(tones: NDArray[np.float64]) -> bool:
    first, second = oklab_from_srgb(np.rint(tones[:2]).astype(np.uint8))
    return float(np.linalg.norm(first - second)) <= ONE_COLOUR


_NO_TEXT = Said("no text beside the product", "主体外无文字")


def judge_text(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Lettering beside the product; its own print is not asked for."""
    large = [line for line in look.text if line.box[3] - line.box[1] >= LARGE]
    beside = [line for line in large if line.on_product < 0.5]
    printed = [line for line in beside if line.contrast >= PRINTED]
    if values["allowed"]:
        return Judgement("pass", _rows(beside), Said("any text", "允许文字"))
    if printed:
        return Judgement("fail", _rows(printed), _NO_TEXT)
    contrast, even, wide = OVERLAID
    over = [
        line
        for line in large
        if line.on_product >= 0.5 and line.contrast >= contrast and line.evenness <= even and _wide(line) >= wide
    ]
    if beside:
        why = Said("low contrast: may be a pattern", "对比度低，可能是花纹")
        return Judgement("unsure", _rows(beside), _NO_TEXT, why)
    if over:
        why = Said("on the product: its own print, or laid over it", "在主体上：可能是商品自带，也可能是后加")
        return Judgement("unsure", _rows(over), _NO_TEXT, why)
    return Judgement("pass", Said("none found", "未发现"), _NO_TEXT)


def _wide(line: Line) -> float:
    return line.box[2] - line.box[0]


def _rows(lines: list[Line]) -> Said:
    if not lines:
        return Said("none found", "未发现")
    left, top = lines[0].box[:2]
    at = f"{left:.0%}, {top:.0%}"
    return Said(f"{len(lines)} row{'s' * (len(lines) != 1)} of lettering, at {at}", f"{len(lines)} 行文字，位于 {at}")


def judge_watermark(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Faint lettering, and small pieces in the corners."""
    accepted = Said("no watermark or added logo", "无水印、无附加标志")
    if values["allowed"]:
        return Judgement("pass", Said("not asked", "不检查"), Said("any", "允许"))
    contrast, even, high = FAINT
    faint = [
        line
        for line in look.faint_text
        if line.contrast >= contrast and line.evenness <= even and line.box[3] - line.box[1] >= high
    ]
    if faint:
        why = Said("faint lettering: a watermark or a pattern", "浅色文字：可能是水印或花纹")
        return Judgement("unsure" if not look.on_white else "fail", _rows(faint), accepted, why)
    corners = len(look.marks)
    if corners:
        measured = Said(f"{corners} small piece{'s' * (corners != 1)} in the corners", f"角落有 {corners} 个小块")
        return Judgement("unsure", measured, accepted, Said("may be a logo", "可能是标志"))
    return Judgement("pass", Said("none found", "未发现"), accepted)


def judge_border(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Even strips along the sides."""
    accepted = Said("no border or frame", "无边框")
    sides = list(look.strips)
    if not sides or values["allowed"]:
        return Judgement("pass", Said("none found", "未发现"), accepted)
    zh = {"top": "上", "left": "左", "bottom": "下", "right": "右"}
    measured = Said(f"an even strip: {', '.join(sides)}", f"平直条带：{'、'.join(zh[side] for side in sides)}")
    if framed(look):
        return Judgement("fail", measured, accepted)
    why = Said("on one side or two: may be the edge of a table", "仅一两边：可能是桌沿")
    return Judgement("unsure", measured, accepted, why)


def framed(look: Look) -> bool:
    """Whether opposite sides have a strip: one alone may be the edge of a table."""
    return {"top", "bottom"} <= look.strips.keys() or {"left", "right"} <= look.strips.keys()


def judge_shadow(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Grey beside the product, on white."""
    accepted = Said("no shadow", "无阴影")
    if values["allowed"]:
        return Judgement("pass", Said("not asked", "不检查"), Said("any", "允许"))
    if look.shadow is None:
        why = Said("only looked for on white", "仅在白底上检查")
        return Judgement("not-applicable", Said("the background is not white", "背景非白色"), accepted, why)
    measured = Said(f"grey beside the product on {look.shadow:.1%} of the frame", f"主体外灰色占 {look.shadow:.1%}")
    return Judgement(status_of(look.shadow < SHADOW), measured, accepted)


def judge_blur(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Width of the edges."""
    most = values["max_px"]
    accepted = Said(f"edges up to {most:g} px wide, the product being 512 px", f"主体缩至 512 像素时边缘宽度≤{most:g}")
    if look.blur is None:
        return Judgement("unsure", Said("no edges were found", "未找到边缘"), accepted, _BY_EYE)
    measured = Said(f"{look.blur:.2f} px", f"{look.blur:.2f} 像素")
    if look.blur > most:
        return Judgement("fail", measured, accepted)
    if look.blur > DOUBTFUL_BLUR * most:
        return Judgement("unsure", measured, accepted, Said("soft: look at it at full size", "偏软：请放大查看"))
    return Judgement("pass", measured, accepted)
