"""Pictures that editing steps make of a photo: parts of it, other colours, places around the product."""

from __future__ import annotations

from typing import Any

import numpy as np

from packshot.editing.dimensions import scale_of
from packshot.editing.pipeline import Edited, Step, run
from packshot.editing.scene import Scene
from packshot.editing.warp import product_box
from packshot.errors import RequestError
from packshot.listing.canvas import LARGEST_SCALE, UNSURE, NotFramedError, cut_whole, once
from packshot.listing.channels import Channel
from packshot.listing.measures import Look
from packshot.listing.places import stage_for
from packshot.listing.plan import PlannedPicture

FADING = 1.0
"""In place of `canvas.UNSURE`, of drawn products: their outlines are soft, and of thin ones soft is most."""

SHARE = 0.62
"""Of the canvas that the product takes in a scene."""

_PARTS = ((0.5, 0.25), (0.5, 0.75), (0.25, 0.5), (0.75, 0.5))
"""Middles of the parts that are shown enlarged, in shares of the product's box."""


class NotStagedError(Exception):
    """A picture that the photo can't give."""


def staged(look: Look, picture: PlannedPicture, channel: Channel) -> Edited:
    """The scene of a picture, and the steps that led to it.

    Raises:
        NotStagedError: the photo can't give it.
        PackshotError: what an operation refuses.
    """
    if picture.means == "crop":
        rgb, alpha = look.layers.rgb, look.layers.alpha
        scene = Scene(rgb, alpha, backdrop=None if alpha is None else np.full_like(rgb, 255))
        return run(scene, [_part(look, picture.number, channel)])
    cut = _cut(look, FADING if picture.means == "words" else UNSURE)
    if picture.role == "size":
        after = [Step("background", {"to": "#ffffff"}), _dimensions(cut.scene, picture, channel)]
    elif picture.means == "recolour":
        after = [
            Step("recolour", {"to": picture.colour}),
            Step("background", {"to": "#ffffff"}),
            _fit(cut.scene, channel, channel.fix.share),
        ]
    else:
        stage = stage_for(picture.sku, picture.category, picture.request, picture.number, picture.take)
        after = [
            _fit(cut.scene, channel, SHARE),
            Step("background", {"to": stage.place, "seed": stage.seed}),
            Step("shadow", {"kind": stage.shadow}),
        ]
    return once(look, cut.scene, cut.steps, after, lambda: _ran(cut, after))


def _ran(cut: Edited, after: list[Step]) -> Edited:
    done = run(cut.scene, after)
    return Edited(done.scene, (*cut.steps, *done.steps))


def _cut(look: Look, unsure: float) -> Edited:
    try:
        scene = cut_whole(look, unsure)
    except NotFramedError as error:
        raise NotStagedError(str(error)) from None
    return Edited(scene, () if look.layers.alpha is not None else (Step("cutout"),))


def _fit(scene: Scene, channel: Channel, share: float) -> Step:
    """The product on a canvas between the channel's least and best, as near to its own scale as that allows."""
    left, top, right, bottom = product_box(scene, "fit")
    wide, high = channel.fix.best
    natural = max((right - left) / (share * wide), (bottom - top) / (share * high))
    return Step("fit", {"size": _canvas(channel, natural), "share": share, "upscale": True})


def _canvas(channel: Channel, natural: float) -> str:
    """A canvas between the channel's least and best; `natural` is that on which nothing is scaled, over the best."""
    (wide, high), (least_wide, least_high) = channel.fix.best, channel.fix.least
    of_best = min(max(natural, least_wide / wide, least_high / high), 1.0)
    if of_best / natural > LARGEST_SCALE:
        raise NotStagedError(f"too small: it would have to be enlarged {of_best / natural:.2f} times")
    return f"{round(of_best * wide)}x{round(of_best * high)}"


def _dimensions(scene: Scene, picture: PlannedPicture, channel: Channel) -> Step:
    """The product's measures in the channel's language and units, on a canvas that keeps its own scale if it can."""
    if not channel.takes_text:
        raise NotStagedError("the channel takes no text beside the product")
    said = {"units": ",".join(channel.units), "language": channel.language}
    size = "x".join(f"{length:g}" for length in picture.size_cm) + "cm"
    try:
        at_best = scale_of(scene, size, channel.fix.best, **said)
    except RequestError as error:
        raise NotStagedError(f"{error.got}; accepted: {error.accepted}") from None
    return Step("dimensions", {"size": size, "canvas": _canvas(channel, 1 / at_best), **said})


def _part(look: Look, number: int, channel: Channel) -> Step:
    """A window of the photo at its own scale, half of its longer side where the channel takes that."""
    if look.product is None:
        raise NotStagedError("no product was found")
    height, width = look.rgb.shape[:2]
    best_wide, best_high = channel.fix.best
    half = max(height, width) / 2 / max(best_wide, best_high)
    scale = min(max(half, channel.fix.least[0] / best_wide, channel.fix.least[1] / best_high), 1.0)
    wide, high = round(scale * best_wide), round(scale * best_high)
    if wide > width or high > height:
        raise NotStagedError(f"a photo of {width}×{height} has no part of {wide}×{high}")
    left, top, right, bottom = look.product.box
    across, down = _PARTS[(number - 1) % len(_PARTS)]
    x = _within((left + across * (right - left)) * width - wide / 2, width - wide)
    y = _within((top + down * (bottom - top)) * height - high / 2, height - high)
    arguments: dict[str, Any] = {"box": f"{x},{y},{wide},{high}"}
    return Step("crop", arguments)


def _within(value: float, most: int) -> int:
    return min(max(round(value), 0), most)
