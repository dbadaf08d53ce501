"""The canvas of a repaired picture: the product on exact white, or the picture as it is at another size and format."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import cv2
import numpy as np

from packshot.editing.operations import OPERATIONS
from packshot.editing.pipeline import Edited, Step
from packshot.editing.scene import OPAQUE, Bytes, Scene
from packshot.editing.warp import product_box
from packshot.images import canonical_json
from packshot.listing.channels import Channel
from packshot.listing.measures import Look
from packshot.listing.memory import Recent, digest
from packshot.listing.product import PIECE, Product
from packshot.listing.verdicts import Verdict

LARGEST_SCALE = 2.0
"""By which a picture may honestly be enlarged."""
CUT_OFF = 0.04
"""Share of one side of the frame that a product may cover before the photo counts as cutting it off."""
UNSURE = 0.3
"""Pixels that the cut-out covers in part over those that it covers wholly, from which it is not sure of the product."""
PLAIN = 0.008
"""Roughness of the border, in OKLab, up to which a background is even enough to be continued."""
_SIDES = ("top", "left", "bottom", "right")
_HAZE = 16  # coverage that is no product: a veil of the old background
_RIM_PX = 3  # around a product on white, for the faint pixels of its outline


class NotFramedError(Exception):
    """A picture that can't be framed as the channel wants it."""


class Work(NamedTuple):
    """A composed scene with the steps that led to it, and what was done, as phrases."""

    edited: Edited
    done: tuple[str, ...]


def without_border(look: Look) -> tuple[Look, Work]:
    """The part of the picture within the even strips along its sides; nothing but those is lost.

    Returns:
        What is left to look at, and a scene of the whole picture with the step that was taken.
    """
    height, width = look.rgb.shape[:2]
    more = 2 / max(look.working.shape[:2])  # JPEG smears the edge of a border by a pixel or two
    share = {side: look.strips[side] + more if side in look.strips else 0.0 for side in _SIDES}
    left, top = math.ceil(share["left"] * width), math.ceil(share["top"] * height)
    right, bottom = width - math.ceil(share["right"] * width), height - math.ceil(share["bottom"] * height)
    step = Step("crop", {"box": f"{left},{top},{right - left},{bottom - top}"})
    said = f"border cut off, {right - left}×{bottom - top} left"
    return look.cropped(left, top, right, bottom), Work(Edited(Scene(product=look.rgb), (step,)), (said,))


def on_white(look: Look, channel: Channel, failing: list[Verdict]) -> Work:
    """The product on exact white, framed as the channel's `fix` says.

    Where the background is exactly white already the product is taken as it is; otherwise it is cut out.

    Raises:
        NotFramedError: no product, one that the photo cuts off, an unsure cut-out, or one that is too small.
        PackshotError: what an editing operation refuses.
    """
    if look.product is None:
        raise NotFramedError("no product was found")
    rules = {verdict.rule for verdict in failing}
    steps: list[Step] = []
    if look.layers.alpha is None and look.product.how == "white" and not rules & {"white", "shadow", "border"}:
        _insist_whole(look.product.mask)
        scene, said = _kept(look), "background kept: it was exactly white"
    else:
        scene, said = cut_whole(look), "cut out and put on exact white"
        steps.append(Step("cutout"))
    box = product_box(scene, "fit")
    rim = 0 if steps else 2 * _RIM_PX  # no product: a product that is cut out has none
    size, factor = _canvas(channel, (box[2] - box[0] - rim, box[3] - box[1] - rim))
    wide, high = (box[2] - box[0]) * factor, (box[3] - box[1]) * factor
    share = max(wide / size[0], high / size[1])
    arguments: dict[str, Any] = {"size": f"{size[0]}x{size[1]}"}
    arguments |= {"scale": "1"} if factor == 1 else {"share": min(1.0, round(share, 6)), "upscale": True}
    after = [Step("background", {"to": "#ffffff"}), Step("fit", arguments)]
    edited = once(look, scene, steps, after, lambda: Edited(_applied(scene, after), (*steps, *after)))
    return Work(edited, (said, _scaled(factor, size)))


def once(look: Look, scene: Scene, before: Sequence[Step], after: Sequence[Step], make: Callable[[], Edited]) -> Edited:
    """What steps make of a scene of a picture; remembered, since several channels may ask for it.

    Args:
        look: at the picture.
        scene: that they begin with.
        before: steps that led to it.
        after: that are taken.
        make: takes them.
    """
    said = canonical_json({"steps": [[step.name, dict(step.arguments)] for step in (*before, *after)]})
    key = (digest(scene.product, scene.alpha), hashlib.sha256(look.data).hexdigest(), look.origin, said)
    return _EDITS.get(key, make)


_EDITS: Recent[Edited] = Recent(most=12_000_000, weight=lambda edited: edited.scene.product.size // 3)
"""By pixels, of about nine bytes each."""


def _applied(scene: Scene, steps: Sequence[Step]) -> Scene:
    for step in steps:
        scene = OPERATIONS[step.name].function(scene, **step.arguments)
    return scene


def as_it_is(look: Look, channel: Channel) -> Work:
    """The picture with its background, at an accepted size and format.

    Raises:
        NotFramedError: it is too small, or no window of the format holds the product.
        PackshotError: what an editing operation refuses.
    """
    rgb = look.rgb
    steps: list[Step] = []
    done: list[str] = []
    whole = np.full(rgb.shape[:2], OPAQUE, np.uint8)
    scene = Scene(product=rgb, alpha=whole, placement=_placed(look))
    height, width = rgb.shape[:2]
    ratio = _ratio(channel, width, height)
    if ratio is None:
        frame = (width, height)
    elif (colour := _plain_border(rgb)) is not None:
        frame = (max(width, round(height * ratio)), max(height, round(width / ratio)))
        scene = _ran(scene, steps, "background", {"to": colour})
        done.append(f"background continued in {colour}")
    else:
        box = _window(look.product, width, height, ratio)
        scene = _ran(scene, steps, "crop", {"box": ",".join(map(str, box))})
        frame = (box[2], box[3])
        done.append(f"cropped to {box[2]}×{box[3]}")
    factor = _factor(channel, *frame)
    size = (round(frame[0] * factor), round(frame[1] * factor))
    if factor != 1 or frame != (scene.size[1], scene.size[0]):
        how: dict[str, Any] = {"scale": "1"} if factor == 1 else {"share": 1.0, "upscale": True}
        scene = _ran(scene, steps, "fit", {"size": f"{size[0]}x{size[1]}", **how})
        done.append(_scaled(factor, size))
    if scene.backdrop is None:  # all of it is opaque
        scene = replace(scene, backdrop=np.full((*scene.size, 3), 255, np.uint8))
    return Work(Edited(scene, tuple(steps)), tuple(done))


def _placed(look: Look) -> tuple[int, int]:
    return -look.origin[0], -look.origin[1]


def _ran(scene: Scene, steps: list[Step], name: str, arguments: Mapping[str, Any]) -> Scene:
    steps.append(Step(name, dict(arguments)))
    return OPERATIONS[name].function(scene, **arguments)


def _kept(look: Look) -> Scene:
    """The product with the rim of its outline, byte for byte, its background being exactly white already."""
    assert look.product is not None
    height, width = look.rgb.shape[:2]
    reach = 2 * _RIM_PX + 1
    mask = cv2.resize(look.product.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    near = cv2.dilate(mask, np.ones((reach, reach), np.uint8)) > 0
    return Scene(product=look.rgb, alpha=np.where(near, OPAQUE, 0).astype(np.uint8), placement=_placed(look))


def cut_whole(look: Look, unsure: float = UNSURE) -> Scene:
    """The product cut out, by the file's own transparency where it has some, without veils and crumbs.

    Args:
        look: at the photo.
        unsure: see `UNSURE`.

    Raises:
        NotFramedError: the cut-out is unsure, or the photo cuts the product off.
    """
    scene = look.cut
    assert scene.alpha is not None
    alpha = _tidied(scene.alpha)
    solid = int((alpha >= 250).sum())
    mixed = int(((alpha > 0) & (alpha < 250)).sum())
    if not solid or mixed > unsure * solid:
        raise NotFramedError("the cut-out is not sure where the product ends")
    _insist_whole(alpha > 127)
    return replace(scene, alpha=alpha)


def _tidied(alpha: Bytes) -> Bytes:
    seen = np.where(alpha >= _HAZE, alpha, 0).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((seen > 0).astype(np.uint8), connectivity=8)
    if count < 3:
        return seen
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0
    kept = areas >= PIECE * areas.max()
    return np.where(kept[labels], seen, 0).astype(np.uint8)


def _insist_whole(mask: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
    sides = {"top": mask[0], "left": mask[:, 0], "bottom": mask[-1], "right": mask[:, -1]}
    cut = [side for side, line in sides.items() if float(line.mean()) > CUT_OFF]
    if cut:
        raise NotFramedError(f"the photo cuts the product off at the {' and '.join(cut)}")


def _canvas(channel: Channel, product: tuple[int, int]) -> tuple[tuple[int, int], float]:
    """(width, height) of the canvas and the product's scale: 1 where a canvas between the least and the best has it."""
    fix = channel.fix
    natural = max(product[0] / (fix.share * fix.best[0]), product[1] / (fix.share * fix.best[1]))
    least = max(fix.least[0] / fix.best[0], fix.least[1] / fix.best[1])
    of_best = min(max(natural, least), 1.0)
    factor = of_best / natural
    if factor > LARGEST_SCALE:
        raise _too_small(factor)
    size = (round(fix.best[0] * of_best), round(fix.best[1] * of_best))
    return size, 1.0 if least <= natural <= 1 else factor


def _too_small(factor: float) -> NotFramedError:
    line = f"too small: it would have to be enlarged {factor:.2f} times, more than {LARGEST_SCALE:g} adds nothing true"
    return NotFramedError(line)


def _ratio(channel: Channel, width: int, height: int) -> float | None:
    """The nearest accepted width over height, where the picture's own is not accepted."""
    limits: dict[str, float] = dict(channel.rules["aspect"].values) if "aspect" in channel.rules else {}
    if (exact := channel.rules["size"].values.get("exactly") if "size" in channel.rules else None) is not None:
        limits = {"min": exact[0] / exact[1], "max": exact[0] / exact[1]}
    found = width / height
    wanted = min(max(found, limits.get("min", found)), limits.get("max", found))
    return None if abs(wanted - found) < 1 / min(width, height) else wanted


def _plain_border(rgb: Bytes) -> str | None:
    """The border's colour as #rrggbb, where it is one colour."""
    rim = np.concatenate(
        [rgb[:2].reshape(-1, 3), rgb[-2:].reshape(-1, 3), rgb[:, :2].reshape(-1, 3), rgb[:, -2:].reshape(-1, 3)]
    )
    colour = np.median(rim, axis=0).astype(np.uint8)
    if float(np.quantile(np.abs(rim.astype(int) - colour).max(axis=1), 0.98)) > 3:
        return None
    return "#" + bytes(colour).hex()


def _window(product: Product | None, width: int, height: int, ratio: float) -> tuple[int, int, int, int]:
    """Left, top, width and height of the largest window of the ratio, as near as can be around the product."""
    wide, high = min(width, int(height * ratio)), min(height, int(width / ratio))
    left, top, right, bottom = (0.0, 0.0, 1.0, 1.0) if product is None else product.box
    if product is not None and ((right - left) * width > wide or (bottom - top) * height > high):
        raise NotFramedError("no window of the format holds the product")
    x = min(max(round((left + right) / 2 * width - wide / 2), 0), width - wide)
    y = min(max(round((top + bottom) / 2 * height - high / 2), 0), height - high)
    return x, y, wide, high


def _factor(channel: Channel, width: int, height: int) -> float:
    """The least change of scale that the channel's limits of size ask for."""
    values: Mapping[str, Any] = channel.rules["size"].values if "size" in channel.rules else {}
    sides = {"width": width, "height": height, "longest": max(width, height), "shortest": min(width, height)}
    low: float = max([0.0, *(values[f"min_{side}_px"] / n for side, n in sides.items() if f"min_{side}_px" in values)])
    high: float = min(
        [math.inf, *(values[f"max_{side}_px"] / n for side, n in sides.items() if f"max_{side}_px" in values)]
    )
    if "max_megapixels" in values:
        high = min(high, math.sqrt(values["max_megapixels"] * 1e6 / (width * height)))
    if "exactly" in values:
        low = high = values["exactly"][0] / width
    if low > high:
        raise NotFramedError("no size is large enough and small enough at once")
    factor = min(max(1.0, low), high)
    if factor > LARGEST_SCALE:
        raise _too_small(factor)
    return factor


def _scaled(factor: float, size: tuple[int, int]) -> str:
    how = "at its own scale" if factor == 1 else f"scaled to {100 * factor:.4g} %"
    return f"{how} on {size[0]}×{size[1]}"
