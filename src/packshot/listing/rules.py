"""The rules of a channel asked of a picture: one verdict each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from packshot.listing import judge_file as file
from packshot.listing import judge_pixels as pixels
from packshot.listing.channels import Channel
from packshot.listing.measures import Look
from packshot.listing.verdicts import Judgement, Verdict

JUDGES: dict[str, Callable[[Look, Mapping[str, Any]], Judgement]] = {
    "format": file.judge_format,
    "animation": file.judge_animation,
    "size": file.judge_size,
    "advised-size": file.judge_advised_size,
    "aspect": file.judge_aspect,
    "file-size": file.judge_file_size,
    "colour": file.judge_colour,
    "transparency": file.judge_transparency,
    "white": pixels.judge_white,
    "share": pixels.judge_share,
    "margin": pixels.judge_margin,
    "product-size": pixels.judge_product_size,
    "items": pixels.judge_items,
    "text": pixels.judge_text,
    "watermark": pixels.judge_watermark,
    "border": pixels.judge_border,
    "shadow": pixels.judge_shadow,
    "blur": pixels.judge_blur,
    "generated": file.judge_generated,
}
"""By the names of `channels.RULES`."""


def judge(look: Look, channel: Channel) -> list[Verdict]:
    """One verdict for each rule of the channel, in their order.

    Raises:
        InputError: the picture's pixels are damaged.
    """
    return [Verdict(rule.name, JUDGES[rule.name](look, rule.values), rule.source) for rule in channel.rules.values()]


def failed(verdicts: Iterable[Verdict], *, strict: bool = False) -> list[Verdict]:
    """Those that fail, and with `strict` those that are unsure."""
    return [v for v in verdicts if v.status == "fail" or (strict and v.status == "unsure")]
