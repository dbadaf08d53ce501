"""Judgements on what a file says of itself: format, size, colours, marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packshot.listing.measures import Look
from packshot.listing.verdicts import Judgement, status_of


def judge_format(look: Look, values: Mapping[str, Any]) -> Judgement:
    """By content."""
    accepted = ", ".join(name.upper() for name in values["one_of"])
    found = look.facts.format.upper()
    return Judgement(status_of(look.facts.format in values["one_of"]), found, accepted)


def judge_animation(look: Look, values: Mapping[str, Any]) -> Judgement:
    """One frame or more."""
    frames = look.facts.frames
    measured = f"{frames} frame{'s' * (frames != 1)}"
    return Judgement(status_of(values["allowed"] or frames == 1), measured, "a still picture")


def judge_size(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Pixels of the frame."""
    width, height = look.facts.width_px, look.facts.height_px
    sides = {"width": width, "height": height, "longest": max(width, height), "shortest": min(width, height)}
    fits, accepted = True, list[str]()
    for side, length in sides.items():
        low, high = values.get(f"min_{side}_px"), values.get(f"max_{side}_px")
        if low is not None:
            fits &= length >= low
            accepted.append(f"{side} from {low:g} px")
        if high is not None:
            fits &= length <= high
            accepted.append(f"{side} up to {high:g} px")
    if (most := values.get("max_megapixels")) is not None:
        fits &= width * height <= most * 1e6
        accepted.append(f"up to {most:g} megapixels")
    if (exact := values.get("exactly")) is not None:
        fits &= [width, height] == list(exact)
        accepted.append(f"{exact[0]}×{exact[1]}")
    return Judgement(status_of(fits), f"{width}×{height}", ", ".join(accepted))


def judge_advised_size(look: Look, values: Mapping[str, Any]) -> Judgement:
    """As the size, but advice does not fail a picture."""
    judgement = judge_size(look, values)
    if judgement.status == "pass":
        return judgement
    return judgement._replace(status="unsure", why="advised, not required")


def judge_aspect(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Width over height."""
    width, height = look.facts.width_px, look.facts.height_px
    ratio, slack = width / height, 1 / min(width, height)  # a pixel of rounding
    low, high = values.get("min", 0.0), values.get("max", float("inf"))
    fits = low - slack <= ratio <= high + slack if low != high else abs(ratio - low) < slack
    limits = f"{low:g}" if low == high else f"{low:g} – {high:g}"
    return Judgement(status_of(fits), f"{ratio:.3g}", f"width / height {limits}")


def judge_file_size(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Kilobytes."""
    found, low, high = look.facts.size_bytes / 1024, values.get("min_kb", 0), values.get("max_kb", float("inf"))
    limits = f"{low:g} – {high:g} KB" if low else f"≤ {high:g} KB"
    return Judgement(status_of(low <= found <= high), f"{found:.1f} KB", limits)


def judge_colour(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Colour model and profile."""
    facts, modes, spaces = look.facts, values.get("modes"), values.get("spaces")
    fits = (not modes or facts.model in modes) and (not spaces or facts.srgb)
    accepted: list[str] = []
    if modes:
        accepted.append(" or ".join(_MODELS[mode] for mode in modes))
    if spaces:
        accepted.append("sRGB with its profile or none")
    model = _MODELS[facts.model]
    measured = f"{model}, {facts.profile or 'no profile'}"
    return Judgement(status_of(fits), measured, ", ".join(accepted))


_MODELS = {"rgb": "RGB", "grey": "grey", "cmyk": "CMYK"}


def judge_transparency(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Whether anything shows through."""
    opaque = look.layers.alpha is None
    measured = "opaque" if opaque else "transparent pixels"
    return Judgement(status_of(opaque or values["allowed"]), measured, "an opaque picture")


def judge_generated(look: Look, values: Mapping[str, Any]) -> Judgement:
    """Whether a model made it all, as far as its file says."""
    facts = look.facts
    if facts.generated:
        measured = "made by a generative model, as its file says"
    elif facts.source_type:
        measured = f"marked {facts.source_type}"
    else:
        measured = "no mark of a generative model"
    if not values.get("allowed", True):
        accepted = "no wholly generated picture"
        return Judgement(status_of(not facts.generated), measured, accepted)
    accepted = "generated pictures bear an IPTC DigitalSourceType"
    if not values.get("marked") or not facts.labelled:
        return Judgement("not-applicable", measured, accepted)
    return Judgement(status_of(facts.source_type is not None), measured, accepted)
