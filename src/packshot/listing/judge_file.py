"""Judgements on what a file says of itself: format, size, colours, marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packshot.listing.measures import Look
from packshot.listing.verdicts import Judgement, Said, status_of


def judge_format(look: Look, values: Mapping[str, Any]) -> Judgement:
    """By content."""
    accepted = ", ".join(name.upper() for name in values["one_of"])
    found = look.facts.format.upper()
    return Judgement(status_of(look.facts.format in values["one_of"]), Said(found, found), Said(accepted, accepted))


def judge_animation(look: Look, values: Mapping[str, Any]) -> Judgement:
    """One frame or more."""
    frames = look.facts.frames
    measured = Said(f"{frames} frame{'s' * (frames != 1)}", f"{frames} 帧")
    return Judgement(status_of(values["allowed"] or frames == 1), measured, Said("a still picture", "静态图"))


_SIDES = {"width": "宽", "height": "高", "longest": "长边", "shortest": "短边"}


def judge_size(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Pixels of the frame."""
    width, height = look.facts.width_px, look.facts.height_px
    sides = {"width": width, "height": height, "longest": max(width, height), "shortest": min(width, height)}
    fits, en, zh = True, [], []
    for side, length in sides.items():
        low, high = values.get(f"min_{side}_px"), values.get(f"max_{side}_px")
        if low is not None:
            fits &= length >= low
            en.append(f"{side} from {low:g} px")
            zh.append(f"{_SIDES[side]}≥{low:g} 像素")
        if high is not None:
            fits &= length <= high
            en.append(f"{side} up to {high:g} px")
            zh.append(f"{_SIDES[side]}≤{high:g} 像素")
    if (most := values.get("max_megapixels")) is not None:
        fits &= width * height <= most * 1e6
        en.append(f"up to {most:g} megapixels")
        zh.append(f"≤{most:g} 百万像素")
    if (exact := values.get("exactly")) is not None:
        fits &= [width, height] == list(exact)
        en.append(f"{exact[0]}×{exact[1]}")
        zh.append(f"{exact[0]}×{exact[1]}")
    return Judgement(status_of(fits), Said(*[f"{width}×{height}"] * 2), Said(", ".join(en), "，".join(zh)))


def judge_advised_size(look: Look, values: Mapping[str, Any]) -> Judgement:
    """As the size, but advice does not fail a picture."""
    judgement = judge_size(look, values)
    if judgement.status == "pass":
        return judgement
    return judgement._replace(status="unsure", why=Said("advised, not required", "建议，非必须"))


def judge_aspect(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Width over height."""
    width, height = look.facts.width_px, look.facts.height_px
    ratio, slack = width / height, 1 / min(width, height)  # a pixel of rounding
    low, high = values.get("min", 0.0), values.get("max", float("inf"))
    fits = low - slack <= ratio <= high + slack if low != high else abs(ratio - low) < slack
    limits = f"{low:g}" if low == high else f"{low:g} – {high:g}"
    return Judgement(status_of(fits), Said(*[f"{ratio:.3g}"] * 2), Said(f"width / height {limits}", f"宽/高 {limits}"))


def judge_file_size(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Kilobytes."""
    found, low, high = look.facts.size_bytes / 1024, values.get("min_kb", 0), values.get("max_kb", float("inf"))
    limits = f"{low:g} – {high:g} KB" if low else f"≤ {high:g} KB"
    return Judgement(status_of(low <= found <= high), Said(*[f"{found:.1f} KB"] * 2), Said(limits, limits))


def judge_colour(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Colour model and profile."""
    facts, modes, spaces = look.facts, values.get("modes"), values.get("spaces")
    fits = (not modes or facts.model in modes) and (not spaces or facts.srgb)
    en, zh = [], []
    if modes:
        en.append(" or ".join(_MODELS[mode].en for mode in modes))
        zh.append("或".join(_MODELS[mode].zh for mode in modes))
    if spaces:
        en.append("sRGB, with its profile or none")
        zh.append("sRGB（可无配置文件）")
    model = _MODELS[facts.model]
    measured = Said(f"{model.en}, {facts.profile or 'no profile'}", f"{model.zh}，{facts.profile or '无配置文件'}")
    return Judgement(status_of(fits), measured, Said(", ".join(en), "，".join(zh)))


_MODELS = {"rgb": Said("RGB", "RGB"), "grey": Said("grey", "灰度"), "cmyk": Said("CMYK", "CMYK")}


def judge_transparency(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Whether anything shows through."""
    opaque = look.layers.alpha is None
    measured = Said("opaque", "不透明") if opaque else Said("transparent pixels", "有透明像素")
    return Judgement(status_of(opaque or values["allowed"]), measured, Said("an opaque picture", "不透明"))


def judge_generated(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Whether a model made it all, as far as its file says."""
    facts = look.facts
    if facts.generated:
        measured = Said("made by a generative model, as its file says", "文件标明由生成模型制作")
    elif facts.source_type:
        measured = Said(f"marked {facts.source_type}", f"标记为 {facts.source_type}")
    else:
        measured = Said("no mark of a generative model", "无生成标记")
    if not values.get("allowed", True):
        accepted = Said("no wholly generated picture", "不接受完全由AI生成的图片")
        return Judgement(status_of(not facts.generated), measured, accepted)
    accepted = Said("generated pictures bear an IPTC DigitalSourceType", "AI生成图须含 IPTC DigitalSourceType")
    if not values.get("marked") or not facts.labelled:
        return Judgement("not-applicable", measured, accepted)
    return Judgement(status_of(facts.source_type is not None), measured, accepted)
