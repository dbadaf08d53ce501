"""Repairs: what can be put right without inventing anything is, and the rest is refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from packshot.editing.certificate import certify
from packshot.editing.pipeline import Edited, Step
from packshot.editing.scene import flatten
from packshot.errors import PackshotError
from packshot.listing.canvas import NotFramedError, Work, as_it_is, on_white, without_border
from packshot.listing.channels import Channel
from packshot.listing.encoding import SUFFIXES, NotEncodedError, encode
from packshot.listing.measures import Look
from packshot.listing.rules import failed, judge
from packshot.listing.verdicts import Verdict

BEYOND: dict[str, str] = {
    "text": "text can't be taken away without inventing what is under it",
    "watermark": "a watermark can't be taken away honestly",
    "items": "which of the items is meant is for you to say",
    "blur": "detail that the photo does not have can't be added",
    "generated": "the channel takes no wholly generated picture, or wants a mark that only its maker can set",
}  # fmt: skip
"""Rules that no repair puts right, and why."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What came of a repair.

    Attributes:
        data: the file; None where it is refused.
        suffix: that its name should have.
        verdicts: on it, or on the picture itself where it is refused.
        done: what was done, as phrases; nothing for a picture that passed and was copied as it is.
        refused: reasons; none where there is a file.
        edited: the scene and the steps that led to it, for its certificate; None for a copy.
        composed: (H, W, 3) as it went into the encoder.
        quality: of JPEG and WebP.
    """

    data: bytes | None
    suffix: str
    verdicts: list[Verdict]
    done: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    edited: Edited | None = None
    composed: np.ndarray[Any, np.dtype[np.uint8]] | None = None
    quality: int | None = None


def repair(look: Look, channel: Channel) -> Repair:
    """A picture that passes the channel's rules, or the reasons why none is made.

    A picture that passes already is copied byte for byte. Nothing that fails the check leaves this function.

    Raises:
        InputError: the picture's pixels are damaged.
    """
    verdicts = judge(look, channel)
    failing = failed(verdicts)
    suffix = SUFFIXES[channel.fix.format]
    if not failing:
        return Repair(look.data, "." + look.facts.format.replace("jpeg", "jpg"), verdicts)
    refused = _beyond(look, failing)
    if refused:
        return Repair(None, suffix, verdicts, refused=refused)
    try:
        work = _composed(look, channel, failing)
        composed = flatten(work.edited.scene)
        data, quality = encode(composed, channel.fix.format, look.facts, *limits(channel))
    except (NotFramedError, NotEncodedError, PackshotError) as error:
        return Repair(None, suffix, verdicts, refused=(_why(error),))
    again = judge(Look.again(data, look.where), channel)
    wrong = failed(again)
    if wrong:
        return Repair(None, suffix, verdicts, refused=tuple(_still(verdict) for verdict in wrong))
    done = (*work.done, *_encoded(look, channel, quality))
    return Repair(data, suffix, again, done=done, edited=work.edited, composed=composed, quality=quality)


def _composed(look: Look, channel: Channel, failing: list[Verdict]) -> Work:
    done: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    if any(verdict.rule == "border" for verdict in failing):
        look, work = without_border(look)
        done, steps, failing = work.done, work.edited.steps, failed(judge(look, channel))
    work = on_white(look, channel, failing) if "white" in channel.rules else as_it_is(look, channel)
    return Work(replace(work.edited, steps=(*steps, *work.edited.steps)), (*done, *work.done))


def certificate(look: Look, made: Repair, name: str) -> dict[str, Any] | None:
    """The certificate of a repair, as `packshot verify` reads it; None for a copy and for a refusal.

    Raises:
        BrokenPromiseError: the product's pixels are not what they were: a bug.
    """
    if made.edited is None or made.data is None or made.composed is None:
        return None
    codec = {"codec": made.suffix[1:], "quality": made.quality, "lossless": made.suffix == ".png"}
    return certify(look.source, made.edited, made.composed, made.data, name=name, codec=codec)


def _beyond(look: Look, failing: list[Verdict]) -> tuple[str, ...]:
    reasons = [f"{v.rule}: {BEYOND[v.rule]}" for v in failing if v.rule in BEYOND]
    if look.facts.fixed_labels:
        names = ", ".join(look.facts.fixed_labels)
        reasons.append(f"the file's {names} would be lost, and a label is never stripped")
    if look.facts.labelled and any(line.on_product < 0.5 for line in look.text):
        reasons.append("lettering on a generated picture may be its label")
    return tuple(reasons)


def limits(channel: Channel) -> tuple[float, float]:
    """Bytes, on the safe side of what a kilobyte may mean."""
    rule = channel.rules.get("file-size")
    if rule is None:
        return 0.0, float("inf")
    return rule.values.get("min_kb", 0) * 1024, rule.values.get("max_kb", float("inf")) * 1000


def _why(error: Exception) -> str:
    if isinstance(error, NotEncodedError):
        return f"file size can't be met: {error}"
    return str(error)


def _still(verdict: Verdict) -> str:
    measured, accepted = verdict.judgement.measured, verdict.judgement.accepted
    return f"{verdict.rule}: still {measured} after the repair; accepted: {accepted}"


def _encoded(look: Look, channel: Channel, quality: int | None) -> tuple[str, ...]:
    form = channel.fix.format.upper()
    at = "" if quality is None else f" {quality}"
    done = [f"saved as {form}{at}"]
    if look.layers.notes:
        done.insert(0, "; ".join(look.layers.notes))
    return tuple(done)
